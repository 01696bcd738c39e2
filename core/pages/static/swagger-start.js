// Starts Swagger UI. A file rather than a script in the page, so that the page needs to allow no inline script.
SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url: document.getElementById("swagger-ui").dataset.url,
  deepLinking: true,
  tryItOutEnabled: true,
  persistAuthorization: false,
});
