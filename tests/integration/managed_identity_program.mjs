// A program that gets tokens through @azure/identity, as it would in App Service. Prints one JSON object.
//
// node managed_identity_program.mjs FOLDER ManagedIdentityCredential|DefaultAzureCredential SCOPE
//
// FOLDER has node_modules with @azure/identity.

import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, name, scope] = process.argv.slice(2);
const identity = createRequire(join(folder, "package.json"))("@azure/identity");

try {
  const token = await new identity[name]().getToken(scope);
  console.log(JSON.stringify({ token: token.token, expires_on: Math.round(token.expiresOnTimestamp / 1000) }));
} catch (error) {
  console.log(JSON.stringify({ error: error.name, message: error.message }));
}
