// The npm client graphql-ws, unchanged, as a front end would use it.
import assert from 'node:assert/strict';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

export function clientChecks({ socket: url, token, subscription }) {
  const connect = (options = {}) =>
    createClient({
      url,
      webSocketImpl: WebSocket,
      connectionParams: () => (token ? { authorization: `Bearer ${token}` } : {}),
      retryAttempts: 0,
      ...options,
    });
  const first = async (client, query, rest = {}) => {
    for await (const result of client.iterate({ query, ...rest })) return result;
    throw new Error('no result');
  };

  const checks = {
    'a query is answered and the iteration ends': async () => {
      const client = connect();
      const results = [];
      for await (const result of client.iterate({ query: '{ __typename }' })) results.push(result);
      assert.deepEqual(results.map((result) => result.data), [{ __typename: 'Query' }]);
      await client.dispose();
    },
    'variables arrive': async () => {
      const client = connect();
      const query = 'query ($name: String!) { __type(name: $name) { name } }';
      const variables = { name: 'Query' };
      assert.deepEqual((await first(client, query, { variables })).data, { __type: { name: 'Query' } });
      await client.dispose();
    },
    'a mutation runs over the socket': async () => {
      const client = connect();
      assert.deepEqual((await first(client, 'mutation { __typename }')).data, { __typename: 'Mutation' });
      await client.dispose();
    },
    'many operations share one socket': async () => {
      const client = connect({ lazy: false });
      const results = await Promise.all(Array.from({ length: 50 }, () => first(client, '{ __typename }')));
      assert.equal(results.filter((result) => result.data.__typename === 'Query').length, 50);
      await client.dispose();
    },
    'a document that is not valid is an error of its own operation': async () => {
      const client = connect();
      await assert.rejects(first(client, '{ thereIsNoSuchField }'), (errors) => {
        assert.ok(Array.isArray(errors), String(errors));
        assert.equal(errors[0].extensions.code, 'INVALID_INPUT');
        return true;
      });
      assert.deepEqual((await first(client, '{ __typename }')).data, { __typename: 'Query' });
      await client.dispose();
    },
    'a bad token is final': async () => {
      let attempts = 0;
      const client = connect({
        connectionParams: { authorization: 'Bearer nonsense' },
        retryAttempts: 5,
        retryWait: async () => {
          attempts += 1;
        },
      });
      await assert.rejects(first(client, '{ __typename }'), (close) => close.code === 4401);
      assert.equal(attempts, 0);
    },
    'the client keeps itself alive with pings': async () => {
      const pongs = [];
      let disposed;
      const client = connect({ keepAlive: 50, on: { pong: (received) => received && pongs.push(received) } });
      const running = new Promise((resolve, reject) => {
        disposed = client.subscribe({ query: subscription }, { next() {}, error: reject, complete: resolve });
      });
      while (pongs.length < 3) await new Promise((resolve) => setTimeout(resolve, 20));
      disposed();
      await running;
      await client.dispose();
    },
    'a subscription ends when the client leaves it': async () => {
      const client = connect();
      await new Promise((resolve, reject) => {
        const leave = client.subscribe({ query: subscription }, { next() {}, error: reject, complete: resolve });
        client.on('connected', () => setTimeout(leave, 100));
      });
      assert.deepEqual((await first(client, '{ __typename }')).data, { __typename: 'Query' });
      await client.dispose();
    },
  };
  return Object.entries(checks).map(([name, check]) => ({ name, check }));
}
