// The official SDK for TypeScript, with its tool runner.

import Anthropic from '@anthropic-ai/sdk';
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod';
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod';
import { z } from 'zod';
import * as driving from './driving.mjs';

const max_tokens = driving.MAX_TOKENS;
const thinks = { type: 'enabled', budget_tokens: driving.BUDGET };

function client(apiKey = driving.KEY) {
  return new Anthropic({ baseURL: driving.URL, apiKey });
}

function question(content = driving.QUESTION) {
  return [{ role: 'user', content }];
}

function answered(message) {
  const all = (type, key) => message.content.filter((block) => block.type === type).map((block) => block[key]).join('');
  const { input_tokens, cache_read_input_tokens, output_tokens } = message.usage;
  return {
    text: all('text', 'text'),
    reasoning: all('thinking', 'thinking'),
    usage: { input: input_tokens, cached: cache_read_input_tokens, output: output_tokens },
    finish: message.stop_reason,
  };
}

async function plain(model, more = {}) {
  return answered(await client().messages.create({ model, max_tokens, messages: question(), ...more }));
}

async function streamed(model) {
  const pieces = [];
  const stream = client().messages.stream({ model, max_tokens, messages: question() });
  stream.on('text', (piece) => pieces.push(piece));
  return { ...answered(await stream.finalMessage()), pieces };
}

function weatherQuestion(model, ran) {
  const getWeather = betaZodTool({
    name: 'get_weather',
    description: 'Tells the weather of a city.',
    inputSchema: z.object({ city: z.string() }),
    run: async (input) => {
      ran.push(input);
      return driving.weather(input.city);
    },
  });
  return { model, max_tokens, messages: question(driving.WEATHER_QUESTION), tools: [getWeather] };
}

async function toolLoop(model) {
  const ran = [];
  return { ...answered(await client().beta.messages.toolRunner(weatherQuestion(model, ran))), ran };
}

async function streamedToolLoop(model) {
  const ran = [];
  const pieces = [];
  let last;
  const asked = { ...weatherQuestion(model, ran), thinking: thinks, stream: true };
  for await (const stream of client().beta.messages.toolRunner(asked)) {
    stream.on('text', (piece) => pieces.push(piece));
    last = await stream.finalMessage();
  }
  return { ...answered(last), pieces, ran };
}

async function image(model) {
  const source = { type: 'base64', media_type: 'image/png', data: driving.PICTURE };
  const content = [
    { type: 'image', source },
    { type: 'text', text: driving.PICTURE_QUESTION },
  ];
  return plain(model, { messages: question(content) });
}

async function structured(model) {
  const format = zodOutputFormat(z.object({ name: z.string(), age: z.number() }));
  const message = await client().messages.parse({
    model,
    max_tokens,
    messages: question(driving.PERSON_QUESTION),
    output_config: { format },
  });
  return { value: message.parsed_output };
}

async function refused(model) {
  return answered(await client(driving.WRONG_KEY).messages.create({ model, max_tokens, messages: question() }));
}

function told(error) {
  return {
    kind: error.constructor.name,
    status: error.status,
    message: error.message,
    retry_after: error.headers?.get('retry-after'),
  };
}

await driving.drive(
  {
    plain: (model) => plain(model),
    streamed,
    'tool-loop': toolLoop,
    thinking: (model) => plain(model, { thinking: thinks }),
    'streamed-tool-loop': streamedToolLoop,
    image,
    structured,
    'rate-limited': (model) => plain(model),
    unauthorized: refused,
    overflow: (model) => plain(model),
  },
  told,
);
