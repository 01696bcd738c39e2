// Starts Swagger UI. This is a separate file, so that the content security policy can forbid inline scripts.
const url = document.getElementById("swagger-ui").dataset.url;

// By default, "Try it out" sends the examples of all parameters, including filters that the user did not choose.
// Therefore optional parameters are left empty, and their examples are shown in their descriptions.
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
