// Starts Swagger UI. This is a separate file, so that the content security policy can forbid inline scripts.

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

// Swagger UI does not show code samples, so the one for curl is added to the description.
function describe(operation) {
  (operation.parameters ?? []).forEach(describeExample);
  operation.description += `\n\n\`\`\`sh\n${operation["x-codeSamples"][0].source}\n\`\`\``;
}

function adapt(response) {
  if (new URL(response.url, location).pathname !== new URL(url, location).pathname) return response;
  const api = JSON.parse(withThisAddress(response.text));
  Object.values(api.paths).flatMap(Object.values).forEach(describe);
  return Object.assign(response, { text: JSON.stringify(api) });
}

// Swagger UI shows an SVG only as text. In an image element, its scripts and links have no effect.
const svgPlugin = {
  wrapComponents: {
    responseBody: (ResponseBody, { React }) => (props) => {
      const text = React.createElement(ResponseBody, props);
      if (!props.contentType?.startsWith("image/svg+xml")) return text;
      const src = `data:image/svg+xml,${encodeURIComponent(props.content)}`;
      return React.createElement("div", null, React.createElement("img", { src, alt: "The response, drawn" }), text);
    },
  },
};

function applyScheme() {
  document.documentElement.classList.toggle("dark-mode", darkScheme.matches);
}

applyScheme();
darkScheme.addEventListener("change", applyScheme);

SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url,
  deepLinking: true,
  tryItOutEnabled: true,
  persistAuthorization: false,
  responseInterceptor: adapt,
  plugins: [svgPlugin],
});
