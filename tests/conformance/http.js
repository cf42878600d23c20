// Every audit of the npm package graphql-http; a warning counts as a failure.
import { serverAudits } from 'graphql-http';

const AUDITS = 61;

export async function audits({ http }) {
  const all = serverAudits({ url: http });
  const complete = {
    name: `there are ${AUDITS} audits`,
    check() {
      if (all.length !== AUDITS) throw new Error(`the package has ${all.length}`);
    },
  };
  const checks = all.map((audit) => ({
    name: audit.name,
    async check() {
      const result = await audit.fn();
      if (result.status !== 'ok') throw new Error(`${result.status}: ${result.reason}`);
    },
  }));
  return all.length === AUDITS ? checks : [complete, ...checks];
}
