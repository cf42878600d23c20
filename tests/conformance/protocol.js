// What graphql-transport-ws demands of a server, frame by frame.
import assert from 'node:assert/strict';
import WebSocket from 'ws';

const PROTOCOL = 'graphql-transport-ws';

export function protocolChecks({ socket: address, token, subscription }) {
  const init = { type: 'connection_init', payload: token ? { authorization: `Bearer ${token}` } : undefined };
  const ask = (id, query, rest = {}) => ({ id, type: 'subscribe', payload: { query, ...rest } });
  const conversations = [];
  const open = (protocol = PROTOCOL, options = {}) => {
    const conversation = new Conversation(address, protocol, options);
    conversations.push(conversation);
    return conversation;
  };

  const introduced = async () => {
    const conversation = open();
    conversation.say(init);
    assert.deepEqual(await conversation.hear(), { type: 'connection_ack' });
    return conversation;
  };
  const closes = (code, ...messages) => async () => {
    const conversation = open();
    messages.forEach((message) => conversation.say(message));
    assert.equal((await conversation.end()).code, code);
  };

  const checks = {
    'the subprotocol is agreed on': async () => {
      const conversation = await introduced();
      assert.equal(conversation.socket.protocol, PROTOCOL);
    },
    'the older subprotocol is closed with 4406': async () => {
      // A client that checks what the server chose fails the handshake before it sees the code.
      const conversation = open('graphql-ws');
      const { code, error } = await conversation.end();
      assert.ok(code === 4406 || /subprotocol/.test(error?.message), `${code} ${error}`);
    },
    'no subprotocol is closed with 4406': async () => {
      assert.equal((await open([]).end()).code, 4406);
    },
    'an unknown origin is refused the upgrade': async () => {
      const { error } = await open(PROTOCOL, { origin: 'https://elsewhere.example' }).end();
      assert.match(error.message, /403/);
    },
    'without connection_init the socket is closed with 4408': closes(4408),
    'a second connection_init is closed with 4429': closes(4429, init, init),
    'subscribe before connection_init is closed with 4401': closes(4401, ask('1', '{ __typename }')),
    'a bad token is closed with 4401': closes(4401, {
      type: 'connection_init',
      payload: { authorization: 'Bearer nonsense' },
    }),
    'a token that is no string is closed with 4401': closes(4401, {
      type: 'connection_init',
      payload: { authorization: 7 },
    }),
    'what is not JSON is closed with 4400': closes(4400, '{"type":'),
    'a message that is no object is closed with 4400': closes(4400, '"connection_init"'),
    'a message without a type is closed with 4400': closes(4400, {}),
    'an unknown type is closed with 4400 and a short reason': async () => {
      const conversation = open();
      conversation.say({ type: 'x'.repeat(1_000) });
      const { code, reason } = await conversation.end();
      assert.equal(code, 4400);
      assert.ok(Buffer.byteLength(reason) <= 123);
    },
    'a payload of connection_init that is no object is closed with 4400': closes(4400, {
      type: 'connection_init',
      payload: 'x',
    }),
    'subscribe without an id is closed with 4400': closes(4400, init, {
      type: 'subscribe',
      payload: { query: '{ __typename }' },
    }),
    'subscribe with an empty id is closed with 4400': closes(4400, init, ask('', '{ __typename }')),
    'subscribe without a payload is closed with 4400': closes(4400, init, { id: '1', type: 'subscribe' }),
    'subscribe with a query that is no string is closed with 4400': closes(4400, init, ask('1', { a: 1 })),
    'subscribe with variables that are no object is closed with 4400': closes(
      4400,
      init,
      ask('1', '{ __typename }', { variables: 'x' }),
    ),
    'complete without an id is closed with 4400': closes(4400, init, { type: 'complete' }),
    'a message of the server is closed with 4400': closes(4400, init, { type: 'connection_ack' }),
    'a binary message is closed with 4400': closes(4400, Buffer.from('{"type":"connection_init"}')),
    'a message over the limit is closed with 1009': closes(1009, {
      type: 'ping',
      payload: { text: 'x'.repeat(70_000) },
    }),
    'a message far over the limit is closed with 1009': closes(1009, {
      type: 'ping',
      payload: { text: 'x'.repeat(1_000_000) },
    }),
    'an id in use is closed with 4409': closes(4409, init, ask('1', subscription), ask('1', subscription)),
    'a ping is answered before connection_init': async () => {
      const conversation = open();
      conversation.say({ type: 'ping', payload: { lap: 1 } });
      assert.deepEqual(await conversation.hear(), { type: 'pong', payload: { lap: 1 } });
    },
    'a ping is answered while a subscription is open': async () => {
      const conversation = await introduced();
      conversation.say(ask('1', subscription));
      conversation.say({ type: 'ping' });
      assert.deepEqual(await conversation.hear('pong'), { type: 'pong' });
    },
    'a pong nobody asked for is ignored': async () => {
      const conversation = await introduced();
      conversation.say({ type: 'pong', payload: {} });
      conversation.say({ type: 'ping' });
      assert.deepEqual(await conversation.hear(), { type: 'pong' });
    },
    'a query is answered with next and complete': async () => {
      const conversation = await introduced();
      conversation.say(ask('1', '{ __typename }'));
      const payload = { data: { __typename: 'Query' }, extensions: { cost: { requested: 1, limit: 10_000 } } };
      assert.deepEqual(await conversation.hear(), { id: '1', type: 'next', payload });
      assert.deepEqual(await conversation.hear(), { id: '1', type: 'complete' });
    },
    'operationName chooses and null parameters are as none': async () => {
      const conversation = await introduced();
      const query = 'query A { a: __typename } query B { b: __typename }';
      conversation.say(ask('1', query, { operationName: 'B', variables: null, extensions: null }));
      const payload = { data: { b: 'Query' }, extensions: { cost: { requested: 1, limit: 10_000 } } };
      assert.deepEqual(await conversation.hear(), { id: '1', type: 'next', payload });
    },
    'an id is free again once its operation is complete': async () => {
      const conversation = await introduced();
      for (let round = 0; round < 3; round += 1) {
        conversation.say(ask('1', '{ __typename }'));
        assert.equal((await conversation.hear()).type, 'next');
        assert.equal((await conversation.hear()).type, 'complete');
      }
    },
    'an id is free again once the client completed it': async () => {
      const conversation = await introduced();
      conversation.say(ask('1', subscription));
      conversation.say({ id: '1', type: 'complete' });
      conversation.say(ask('1', subscription));
      conversation.say({ type: 'ping' });
      assert.deepEqual(await conversation.hear('pong'), { type: 'pong' });
    },
    'complete of an unknown id is ignored': async () => {
      const conversation = await introduced();
      conversation.say({ id: 'nobody', type: 'complete' });
      conversation.say({ type: 'ping' });
      assert.deepEqual(await conversation.hear(), { type: 'pong' });
    },
    'an operation the client completed says nothing more': async () => {
      const conversation = await introduced();
      conversation.say(ask('1', subscription));
      conversation.say({ id: '1', type: 'complete' });
      conversation.say(ask('2', '{ __typename }'));
      const first = await conversation.hear();
      assert.deepEqual([first.id, first.type], ['2', 'next']);
    },
    'operations run side by side': async () => {
      const conversation = await introduced();
      conversation.say(ask('open', subscription));
      conversation.say(ask('1', '{ __typename }'));
      conversation.say(ask('2', '{ __typename }'));
      const done = new Set();
      while (done.size < 2) {
        const message = await conversation.hear('complete');
        done.add(message.id);
      }
      assert.deepEqual(done, new Set(['1', '2']));
    },
    ...Object.fromEntries(
      [
        ['a document that is no GraphQL', '{'],
        ['a document that is not valid', '{ thereIsNoSuchField }'],
        ['a document beyond the limits', `{ a(b: ${'['.repeat(2_000)}`],
        ['a subscription with two root fields', 'subscription { a: __typename b: __typename }'],
      ].map(([name, query]) => [
        `${name} is answered with error, and the socket lives on`,
        async () => {
          const conversation = await introduced();
          conversation.say(ask('1', query));
          const message = await conversation.hear();
          assert.deepEqual([message.id, message.type], ['1', 'error']);
          assert.ok(Array.isArray(message.payload) && message.payload[0].message);
          assert.ok(message.payload[0].extensions.code && message.payload[0].extensions.requestId);
          conversation.say(ask('1', '{ __typename }'));
          assert.equal((await conversation.hear()).type, 'next');
        },
      ]),
    ),
  };
  return Object.entries(checks).map(([name, check]) => ({
    name,
    async check() {
      try {
        await check();
      } finally {
        const open = conversations.splice(0);
        open.forEach((conversation) => conversation.socket.close());
        await Promise.all(open.map((conversation) => conversation.end()));
      }
    },
  }));
}

class Conversation {
  #heard = [];
  #waiting = [];
  #ended;

  constructor(address, protocol, options) {
    this.socket = new WebSocket(address, protocol, options);
    this.opened = new Promise((resolve) => this.socket.once('open', resolve));
    this.socket.on('message', (text) => {
      const message = JSON.parse(text);
      const waiting = this.#waiting.shift();
      if (waiting) waiting.resolve(message);
      else this.#heard.push(message);
    });
    this.#ended = new Promise((resolve) => {
      let error;
      this.socket.on('error', (fault) => (error = fault));
      this.socket.once('close', (code, reason) => {
        resolve({ code, reason: reason.toString(), error });
        this.#waiting.forEach(({ reject }) => reject(new Error(`closed with ${code}: ${reason}`)));
      });
    });
  }

  say(message) {
    const raw = typeof message === 'string' || Buffer.isBuffer(message);
    this.opened.then(() => this.socket.send(raw ? message : JSON.stringify(message)));
  }

  /** The next message, or the next of a type. */
  async hear(type) {
    for (;;) {
      const message =
        this.#heard.shift() ??
        (await new Promise((resolve, reject) => this.#waiting.push({ resolve, reject })));
      if (!type || message.type === type) return message;
    }
  }

  end() {
    return this.#ended;
  }
}
