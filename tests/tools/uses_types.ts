// A program that is written against the generated types. It is compiled, never run.
import type { components, operations, paths } from "./api";

type Student = components["schemas"]["StudentRead"];
type NewStudent = components["schemas"]["StudentCreate"];
type Listed = operations["students-list"]["responses"][200]["content"]["application/json"];
type Problem = operations["students-get"]["responses"][404]["content"]["application/problem+json"];
type Patch = paths["/students/{roll_no}"]["patch"]["requestBody"]["content"]["application/merge-patch+json"];

interface Call<Parameters> {
  address: string;
  parameters: Parameters;
}

const asha: NewStudent = { roll_no: "S101", name: "Asha Rao", branch: "Physics", marks: { math: 91 } };

const withoutPhysics: Patch = { marks: { physics: null } };

function read(rollNo: string): Call<operations["students-get"]["parameters"]["path"]> {
  return { address: "/students", parameters: { roll_no: rollNo } };
}

function label(student: Student): string {
  const marks = Object.entries(student.marks).map(([subject, mark]) => `${subject} ${mark.toFixed(2)}`);
  return `${student.roll_no} ${student.name}, ${student.branch}: ${marks.join(", ")}`;
}

function count(students: Listed): number {
  return students.length;
}

function explain(problem: Problem): string {
  return `${problem.status} ${problem.title} (${problem.request_id})`;
}

export { asha, count, explain, label, read, withoutPhysics };
