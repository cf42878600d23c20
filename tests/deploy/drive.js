// Starts the services and uses them as a school would.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";
import { createClient } from "graphql-ws";
import { simpleParser } from "mailparser";
import { SMTPServer } from "smtp-server";
import WebSocket from "ws";
import { services, settings } from "./compose.js";

const [root, database] = process.argv.slice(2);
const binary = `${root}/target/debug/plaudit`;
const ports = { "plaudit-1": 8161, "plaudit-2": 8162, proxy: 8160, mail: 8163 };
const proxy = `http://127.0.0.1:${ports.proxy}`;
const running = [];

/** Waits until a question has a true answer. */
async function until(what, ask) {
  for (let attempt = 0; attempt < 300; attempt += 1) {
    if (await ask().catch(() => false)) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`${what} takes too long`);
}

/** The compose file refuses to start without its secrets. */
function checkFile() {
  assert.throws(() => services(root, {}), /PLAUDIT_AUTH_SECRET|POSTGRES_PASSWORD/);
  const variables = { PLAUDIT_AUTH_SECRET: randomBytes(36).toString("base64"), POSTGRES_PASSWORD: "x" };
  const all = services(root, variables);
  const known = settings(root);
  for (const [name, service] of Object.entries(all)) {
    for (const setting of Object.keys(service.environment ?? {}).filter((key) => key.startsWith("PLAUDIT_"))) {
      assert(known.has(setting), `${name} has the setting ${setting}, which does not exist`);
    }
    for (const dependency of Object.keys(service.depends_on ?? {})) {
      const named = Array.isArray(service.depends_on) ? service.depends_on[dependency] : dependency;
      assert(all[named], `${name} depends on ${named}, which does not exist`);
    }
  }
  return all;
}

/** The environment of a service, with the addresses of this machine. */
function environment(service, port) {
  assert.match(service.environment.PLAUDIT_DATABASE_URL, /^postgres:\/\/plaudit:.+@postgres\/plaudit/);
  return {
    PATH: process.env.PATH,
    ...service.environment,
    PLAUDIT_DATABASE_URL: database,
    PLAUDIT_LISTEN: `127.0.0.1:${port}`,
    PLAUDIT_OPERATIONS_LISTEN: `127.0.0.1:${port + 1000}`,
    PLAUDIT_PUBLIC_URL: `${proxy}/`,
    PLAUDIT_MAIL_URL: `smtp://127.0.0.1:${ports.mail}`,
    PLAUDIT_LIMITS_TRUSTED_PROXIES: "127.0.0.1/32",
  };
}

async function serve(all, name) {
  const env = environment(all[name], ports[name]);
  const server = spawn(binary, ["serve"], { env, stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  server.stderr.on("data", (text) => (log += text));
  running.push(server);
  // The health check of the container is this command.
  const health = () => promisify(execFile)(binary, ["health"], { env }).then(() => true);
  await until(`${name} (${log})`, health);
  return { server, log: () => log };
}

function startMail() {
  const mails = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS"],
    onData: (stream, _session, done) => {
      simpleParser(stream).then((mail) => mails.push(mail)).then(() => done(), done);
    },
  });
  server.on("error", () => {});
  server.listen(ports.mail, "127.0.0.1");
  return { server, mails };
}

/** The proxy with the configuration of the compose file, and the addresses of this machine. */
async function startProxy() {
  let text = readFileSync(`${root}/api/deploy/Caddyfile`, "utf8");
  text = text
    .replace(":8080 {", `:${ports.proxy} {`)
    .replace(/plaudit-1:8000 plaudit-2:8000/, `127.0.0.1:${ports["plaudit-1"]} 127.0.0.1:${ports["plaudit-2"]}`)
    // Both servers listen on this machine, so they cannot share the port of health.
    .replace(/\s*health_port 9001/, "");
  writeFileSync("Caddyfile", text);
  const caddy = spawn("caddy", ["run", "--config", "Caddyfile", "--adapter", "caddyfile"], { stdio: "ignore" });
  running.push(caddy);
  await until("the proxy", async () => (await fetch(`${proxy}/health/ready`)).ok);
}

async function ask(token, query, variables) {
  const answer = await fetch(`${proxy}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  });
  assert.equal(answer.status, 200);
  const { data, errors } = await answer.json();
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

async function token(all, role, sub) {
  const env = environment(all.migrate, 0);
  const made = await promisify(execFile)(binary, ["token", "--sub", sub, "--role", role], { env });
  return made.stdout.trim();
}

async function main() {
  const all = checkFile();
  const mail = startMail();
  const migrated = await promisify(execFile)(binary, all.migrate.command, { env: environment(all.migrate, 0) });
  assert.match(migrated.stdout, /Catalogue 1 is published/);
  const doctor = await promisify(execFile)(binary, ["doctor"], { env: environment(all.migrate, 0) });
  assert.doesNotMatch(doctor.stdout, /WRONG/);
  let first = await serve(all, "plaudit-1");
  await serve(all, "plaudit-2");
  await startProxy();

  const service = await token(all, "service", "lesson-player");
  const ada = randomUUID();
  await ask(service, "mutation($input: UpsertUserInput!) { upsertUser(input: $input) { userErrors { message } } }", {
    input: { id: ada, displayName: "Ada", email: "ada@school.example" },
  });
  const client = createClient({
    url: `${proxy.replace("http", "ws")}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${service}` },
    retryAttempts: 50,
    shouldRetry: () => true,
    retryWait: () => new Promise((done) => setTimeout(done, 100)),
  });
  const { feedCursor } = await ask(service, "{ feedCursor }");
  const told = [];
  client.subscribe(
    { query: `subscription { achievementEarned(after: "${feedCursor}") { award { achievement { key } } } }` },
    { next: ({ data }) => told.push(data.achievementEarned.award.achievement.key), error: console.error, complete() {} },
  );
  const record = (activity) =>
    ask(service, "mutation($input: RecordEventInput!) { recordEvent(input: $input) { userErrors { message } } }", {
      input: { id: activity, userId: ada, activity },
    });
  await record("comment_written");
  await until("the first award", async () => told.includes("course-portal/first-comment-written"));
  await until("the first mail", async () => mail.mails.length === 1);
  const [letter] = mail.mails;
  assert.equal(letter.to.text, '"Ada" <ada@school.example>');
  assert.equal(letter.subject, "🎉 Congratulations! You earned the “First Comment Written” badge!");
  assert.deepEqual(letter.attachments.map((one) => [one.contentType, one.related]), [["image/png", true]]);
  assert(letter.headers.get("list")?.unsubscribe?.url.startsWith(`${proxy}/unsubscribe?t=`));

  // A server stops, as in an update: the other one goes on.
  const ended = new Promise((done) => first.server.on("exit", done));
  first.server.kill("SIGTERM");
  assert.equal(await ended, 0, first.log());
  await until("an event over the other server", () => record("session_join").then(() => true));
  await until("the second mail", async () => mail.mails.length === 2);
  await serve(all, "plaudit-1");
  await until("an event over both servers", () => record("visualize").then(() => true));
  await until("the third mail", async () => mail.mails.length === 3);
  await client.dispose();
  mail.server.close();
  console.log(`two servers, ${mail.mails.length} mails, ${told.length} awards over a socket: as compose.yaml describes`);
}

try {
  await main();
} finally {
  for (const process of running) process.kill("SIGKILL");
}
