// Starts Swagger UI. A file rather than a script in the page, so that the page needs to allow no inline script.
const url = document.getElementById("swagger-ui").dataset.url;

// "Try it out" would send the examples of all parameters at once, a filter that nobody asked for among them. What may
// be left out is left empty; its example stands in its description.
function describeExample(parameter) {
  const [example] = [parameter.example, ...(parameter.schema.examples ?? [])].filter((value) => value !== undefined);
  if (parameter.required || example === undefined) return;
  const text = typeof example === "string" ? example : JSON.stringify(example);
  parameter.description = `${parameter.description ?? ""}\n\nExample: \`${text}\``;
  delete parameter.example;
  delete parameter.schema.examples;
}

function leaveEmpty(response) {
  if (new URL(response.url, location).pathname !== new URL(url, location).pathname) return response;
  const api = JSON.parse(response.text);
  for (const operation of Object.values(api.paths).flatMap(Object.values)) {
    (operation.parameters ?? []).forEach(describeExample);
  }
  return Object.assign(response, { text: JSON.stringify(api) });
}

SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url,
  deepLinking: true,
  tryItOutEnabled: true,
  persistAuthorization: false,
  responseInterceptor: leaveEmpty,
});
