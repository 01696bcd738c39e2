// What both pages of the documentation share.
const url = document.body.dataset.url;
const darkScheme = matchMedia("(prefers-color-scheme: dark)");

// The document names the address at which it was requested, which a proxy in front can change without the service
// knowing. This page knows the address, and puts it in the document's servers and sample calls.
function withThisAddress(text) {
  const here = new URL(url, location).href.replace(/\/openapi\.json$/, "");
  return text.replaceAll(JSON.parse(text).servers[0].url, here);
}
