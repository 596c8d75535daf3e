// opencode: its server, which does all the work of its screens, asked over HTTP as those screens ask it.

import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import * as driving from './driving.mjs';

const WRONG = 'wrong-anthropic'; // a provider like the other, with another key

const MODEL = { reasoning: true, attachment: true, modalities: { input: ['text', 'image'], output: ['text'] } };

function configured(names) {
  const provider = (apiKey) => ({
    npm: '@ai-sdk/anthropic',
    options: { baseURL: driving.URL + '/v1', apiKey },
    models: Object.fromEntries(names.map((name) => [name, MODEL])),
  });
  writeFileSync(
    'opencode.json',
    JSON.stringify({ provider: { anthropic: provider(driving.KEY), [WRONG]: provider(driving.WRONG_KEY) } }),
  );
}

// The program for processors of any age, where there are two: the launcher would have to be chosen by an install script.
function program() {
  const packages = readdirSync('node_modules').filter((name) => existsSync(`node_modules/${name}/bin/opencode`));
  const found = packages.find((name) => name.endsWith('-baseline')) ?? packages[0];
  return `node_modules/${found}/bin/opencode`;
}

async function serving() {
  const child = spawn(program(), ['serve', '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  process.on('exit', () => child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stdout })) {
    const found = /listening on (http:\S+)/.exec(line);
    if (found) return { url: found[1] };
  }
  throw new Error('opencode ended');
}

let server;

async function call(path, body) {
  const answer = await fetch(server.url + path, {
    method: body ? 'POST' : 'GET',
    headers: { 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
  return text && JSON.parse(text);
}

async function* events(session) {
  const over = new AbortController();
  const answer = await fetch(server.url + '/event', { signal: over.signal });
  try {
    let rest = '';
    for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      for (const line of lines.filter((one) => one.startsWith('data: '))) {
        const { type, properties } = JSON.parse(line.slice(6));
        if (type === 'server.connected' || properties.sessionID === session) yield { type, ...properties };
      }
    }
  } finally {
    over.abort();
  }
}

class Failed extends Error {
  constructor(outcome) {
    super(outcome.message);
    this.outcome = outcome;
  }
}

// Follows what a screen shows until the session is idle again. It would try for ever where it is told to wait, so
// this user has enough when it says so for the second time.
async function asked(model, text, { files = [], providerID = 'anthropic', ...more } = {}) {
  const { id } = await call('/session', {});
  const pieces = [];
  const waits = [];
  const kinds = {}; // of parts, by their ids
  let value;
  for await (const event of events(id)) {
    if (event.type === 'server.connected') {
      const parts = [{ type: 'text', text }, ...files];
      await call(`/session/${id}/prompt_async`, { model: { providerID, modelID: model }, parts, ...more });
    } else if (event.type === 'message.part.updated') {
      kinds[event.part.id] = event.part.type;
    } else if (event.type === 'message.part.delta' && kinds[event.partID] === 'text') {
      pieces.push(event.delta);
    } else if (event.type === 'message.updated') {
      value = event.info.structured ?? value;
    } else if (event.type === 'session.status' && event.status.type === 'retry') {
      waits.push(event.status);
      if (waits.length === 2) break;
    } else if (event.type === 'session.idle') {
      break;
    }
  }
  if (waits.length) {
    await call(`/session/${id}/abort`, {});
    throw new Failed({ kind: 'retry', message: waits[1].message, tries: waits[1].attempt });
  }
  if (value) return { value }; // a session with such an answer cannot be read in this version
  return { ...read(await call(`/session/${id}/message`)), pieces };
}

function read(messages) {
  const answers = messages.filter(({ info }) => info.role === 'assistant');
  const { info, parts } = answers.at(-1);
  if (info.error) {
    const { name, data } = info.error;
    const retry_after = data.responseHeaders?.['retry-after'];
    throw new Failed({ kind: name, status: data.statusCode, message: data.message, retry_after });
  }
  const all = (type) => parts.filter((part) => part.type === type).map((part) => part.text).join('');
  const calls = answers.flatMap((one) => one.parts).filter((part) => part.type === 'tool');
  return {
    text: all('text'),
    reasoning: all('reasoning'),
    ran: calls.filter(({ state }) => state.status === 'completed').map(({ state }) => state.input),
    usage: { input: info.tokens.input, cached: info.tokens.cache.read, output: info.tokens.output },
    finish: info.finish,
  };
}

const plain = (model) => asked(model, driving.QUESTION);
const picture = {
  type: 'file',
  mime: 'image/png',
  filename: 'picture.png',
  url: `data:image/png;base64,${driving.PICTURE}`,
};

configured(process.argv.slice(2));
mkdirSync('.opencode/tool', { recursive: true });
copyFileSync('opencode_weather.mjs', '.opencode/tool/get_weather.js');
server = await serving();
await driving.drive(
  {
    plain,
    streamed: plain,
    'tool-loop': (model) => asked(model, driving.WEATHER_QUESTION),
    thinking: (model) => asked(model, driving.QUESTION, { variant: 'high' }),
    'streamed-tool-loop': (model) => asked(model, driving.WEATHER_QUESTION, { variant: 'high' }),
    image: (model) => asked(model, driving.PICTURE_QUESTION, { files: [picture] }),
    'structured-tool': (model) =>
      asked(model, driving.PERSON_QUESTION, { format: { type: 'json_schema', schema: driving.PERSON } }),
    'rate-limited': plain,
    unauthorized: (model) => asked(model, driving.QUESTION, { providerID: WRONG }),
    overflow: plain,
  },
  (error) => error.outcome ?? { kind: error.name, message: error.message },
);
process.exit(); // ends the server too
