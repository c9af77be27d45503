// The API page: Swagger UI on this server's own document.

const prefersDark = matchMedia("(prefers-color-scheme: dark)");

function followTheme() {
  document.documentElement.classList.toggle("dark-mode", prefersDark.matches);
}

prefersDark.addEventListener("change", followTheme);
followTheme();

globalThis.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  docExpansion: "list",
  filter: true,
  defaultModelsExpandDepth: 0,
  defaultModelExpandDepth: 3,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  requestSnippetsEnabled: false,
  // The library's validator is a service on another host.
  validatorUrl: null,
  // A key is kept by the open page alone: closing or reloading it forgets the key.
  persistAuthorization: false,
});
