// The Claude Agent SDK for TypeScript, with the Claude Code that it brings and a tool of an in-process MCP server.

import { createSdkMcpServer, query, tool } from '@anthropic-ai/claude-agent-sdk';
import { z } from 'zod';
import * as driving from './driving.mjs';

class Failed extends Error {
  constructor(result, said) {
    super(result.result ?? result.subtype);
    this.outcome = { kind: said.error ?? null, status: result.api_error_status ?? null, message: this.message };
  }
}

async function asked(model, prompt, { key = driving.KEY, ...more } = {}) {
  const env = { ...process.env, ANTHROPIC_BASE_URL: driving.URL, ANTHROPIC_AUTH_TOKEN: key };
  const seen = { text: '', reasoning: '', pieces: [] };
  let said = {};
  for await (const message of query({ prompt, options: { model, env, ...more } })) {
    if (message.type === 'stream_event' && message.event.delta?.type === 'text_delta') {
      seen.pieces.push(message.event.delta.text);
    } else if (message.type === 'assistant') {
      said = message;
      for (const block of message.message.content) {
        if (block.type === 'thinking') seen.reasoning += block.thinking;
      }
    } else if (message.type === 'result') {
      if (message.is_error) throw new Failed(message, said);
      const { input_tokens, cache_read_input_tokens, output_tokens } = message.usage;
      seen.text = message.result;
      seen.value = message.structured_output;
      seen.usage = { input: input_tokens, cached: cache_read_input_tokens, output: output_tokens };
      seen.finish = message.stop_reason;
    }
  }
  return seen;
}

async function plain(model) {
  return asked(model, driving.QUESTION);
}

async function toolLoop(model, more = {}) {
  const ran = [];
  const getWeather = tool('get_weather', 'Tells the weather of a city.', { city: z.string() }, async (input) => {
    ran.push(input);
    return { content: [{ type: 'text', text: driving.weather(input.city) }] };
  });
  const mcpServers = { outside: createSdkMcpServer({ name: 'outside', tools: [getWeather] }) };
  const allowedTools = ['mcp__outside__get_weather'];
  return { ...(await asked(model, driving.WEATHER_QUESTION, { mcpServers, allowedTools, ...more })), ran };
}

async function* shown() {
  const source = { type: 'base64', media_type: 'image/png', data: driving.PICTURE };
  const content = [
    { type: 'image', source },
    { type: 'text', text: driving.PICTURE_QUESTION },
  ];
  yield { type: 'user', message: { role: 'user', content }, parent_tool_use_id: null };
}

const thinking = { type: 'enabled', budgetTokens: driving.BUDGET };

await driving.drive(
  {
    plain,
    streamed: (model) => asked(model, driving.QUESTION, { includePartialMessages: true }),
    'tool-loop': (model) => toolLoop(model),
    thinking: (model) => asked(model, driving.QUESTION, { thinking }),
    'streamed-tool-loop': (model) => toolLoop(model, { thinking, includePartialMessages: true }),
    image: (model) => asked(model, shown()),
    'structured-tool': (model) =>
      asked(model, driving.PERSON_QUESTION, { outputFormat: { type: 'json_schema', schema: driving.PERSON } }),
    'rate-limited': plain,
    unauthorized: (model) => asked(model, driving.QUESTION, { key: driving.WRONG_KEY }),
    overflow: plain,
  },
  (error) => error.outcome ?? { kind: error.name, message: error.message },
);
