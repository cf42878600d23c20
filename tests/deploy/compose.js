// Reads the compose file as `docker compose` does: merge keys, and variables with defaults and requirements.

import { readFileSync } from "node:fs";
import { parse } from "yaml";

/** The services of the file, with these variables filled in. */
export function services(root, variables) {
  const text = readFileSync(`${root}/api/deploy/compose.yaml`, "utf8");
  const file = parse(text, { merge: true });
  const fill = (value) => {
    if (typeof value === "string") return interpolate(value, variables);
    if (Array.isArray(value)) return value.map(fill);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, fill(one)]));
    }
    return value;
  };
  return fill(file.services);
}

function interpolate(text, variables) {
  return text.replace(/\$\{(\w+)(?:(:-|:\?)([^}]*))?\}/g, (_, name, kind, rest) => {
    const value = variables[name];
    if (value) return value;
    if (kind === ":?") throw new Error(`${name}: ${rest}`);
    return rest ?? "";
  });
}

/** The names of all settings in the environment, from the file that documents them. */
export function settings(root) {
  const names = new Set(["PLAUDIT_CONFIG"]);
  let section = "";
  for (const line of readFileSync(`${root}/api/config.default.toml`, "utf8").split("\n")) {
    const table = /^\[([\w.-]+)\]/.exec(line);
    if (table) section = `${table[1]}.`;
    const key = /^(\w+) = /.exec(line);
    if (key) names.add(`PLAUDIT_${(section + key[1]).toUpperCase().replace(/[.-]/g, "_")}`);
  }
  return names;
}
