// Holds a running server to the two protocols it promises: GraphQL over HTTP and graphql-transport-ws.
// Usage: node check.js [base address] [token]; PLAUDIT_SUBSCRIPTION names another silent subscription.
import { audits } from './http.js';
import { clientChecks } from './client.js';
import { protocolChecks } from './protocol.js';

const [base = 'http://127.0.0.1:8000', token] = process.argv.slice(2);
const server = {
  http: new URL('/graphql', base).href,
  socket: new URL('/graphql', base.replace(/^http/, 'ws')).href,
  token,
  subscription: process.env.PLAUDIT_SUBSCRIPTION ?? 'subscription { achievementEarned { cursor } }',
};

const PATIENCE = 15_000;
let failed = 0;

for (const [title, checks] of [
  ['GraphQL over HTTP', await audits(server)],
  ['graphql-transport-ws', protocolChecks(server)],
  ['graphql-ws client', clientChecks(server)],
]) {
  // One after another: the server allows one caller only so many sockets at once.
  const outcomes = [];
  for (const check of checks) outcomes.push(await run(check));
  const faults = outcomes.filter((outcome) => outcome.fault);
  for (const { name, fault } of faults) console.error(`FAILED ${title}: ${name}: ${fault}`);
  console.log(`${title}: ${outcomes.length - faults.length} of ${outcomes.length} passed`);
  failed += faults.length;
}
process.exit(failed === 0 ? 0 : 1);

async function run({ name, check }) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no outcome within ${PATIENCE} ms`)), PATIENCE);
  });
  try {
    await Promise.race([check(), late]);
    return { name };
  } catch (fault) {
    return { name, fault: fault?.message ?? (fault?.code ? `closed with ${fault.code}` : JSON.stringify(fault)) };
  } finally {
    clearTimeout(timer);
  }
}
