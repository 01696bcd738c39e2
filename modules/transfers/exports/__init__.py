"""Exports of students."""
