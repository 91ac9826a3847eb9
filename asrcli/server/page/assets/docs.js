// The API's description, by Swagger UI, from this server alone.

"use strict";

(async () => {
  const spec = await (await fetch("openapi.json")).json();
  // Behind a proxy the server may be in a subfolder, which it cannot detect itself.
  spec.servers = [{ url: new URL(".", location.href).href }];
  globalThis.SwaggerUIBundle({
    spec,
    dom_id: "#api",
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: -1,
    validatorUrl: null,
  });
})();
