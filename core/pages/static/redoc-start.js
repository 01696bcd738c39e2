// Starts ReDoc. This is a separate file, so that the content security policy can forbid inline scripts.

// ReDoc has no dark theme of its own.
const darkTheme = {
  colors: {
    primary: { main: "#82b4ff" },
    success: { main: "#7ee2a8" },
    warning: { main: "#ffc46b" },
    error: { main: "#ff9d9d" },
    text: { primary: "#e4e8ef", secondary: "#a3adbd" },
    border: { light: "#39424f", dark: "#39424f" },
  },
  schema: { nestedBackground: "#1f252f" },
  sidebar: { backgroundColor: "#1f252f", textColor: "#e4e8ef" },
  rightPanel: { backgroundColor: "#0d1015" },
  typography: { code: { color: "#ff9d9d", backgroundColor: "#1f252f" } },
  fab: { backgroundColor: "#39424f", color: "#e4e8ef" },
};

function show(api) {
  const element = document.createElement("div");
  document.getElementById("redoc").replaceChildren(element);
  const theme = darkScheme.matches ? darkTheme : {};
  // Patterns are for programs: the errors say in words what is allowed.
  Redoc.init(api, { theme, downloadDefinitionUrl: url, hideSchemaPattern: true }, element);
}

async function start() {
  const response = await fetch(url);
  const api = JSON.parse(withThisAddress(await response.text()));
  show(api);
  darkScheme.addEventListener("change", () => show(api));
}

start();
