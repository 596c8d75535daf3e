// Vercel's AI SDK with its Anthropic provider: versions 5, 6 and 7.

import { createAnthropic } from '@ai-sdk/anthropic';
import { APICallError, Output, RetryError, generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';
import * as driving from './driving.mjs';

const { QUESTION, WEATHER_QUESTION, PICTURE_QUESTION, PERSON_QUESTION } = driving;
const thinks = { anthropic: { thinking: { type: 'enabled', budgetTokens: driving.BUDGET } } };

function provider(apiKey = driving.KEY) {
  return createAnthropic({ baseURL: driving.URL + '/v1', apiKey });
}

function usage({ inputTokens, cachedInputTokens, inputTokenDetails, outputTokens }) {
  return { input: inputTokens, cached: cachedInputTokens ?? inputTokenDetails?.cacheReadTokens, output: outputTokens };
}

function answered(result) {
  return { text: result.text, reasoning: result.reasoningText ?? '', usage: usage(result.usage), finish: result.finishReason };
}

async function plain(name) {
  return answered(await generateText({ model: provider()(name), prompt: QUESTION }));
}

async function streamed(name) {
  const failures = [];
  const onError = ({ error }) => failures.push(error);
  const result = streamText({ model: provider()(name), prompt: QUESTION, onError });
  const pieces = [];
  for await (const piece of result.textStream) pieces.push(piece);
  if (failures.length) throw failures[0];
  return {
    pieces,
    text: await result.text,
    usage: usage(await result.usage),
    finish: await result.finishReason,
  };
}

function question(name, ran) {
  const getWeather = tool({
    description: 'Tells the weather of a city.',
    inputSchema: z.object({ city: z.string() }),
    execute: async (input) => {
      ran.push(input);
      return driving.weather(input.city);
    },
  });
  return {
    model: provider()(name),
    prompt: WEATHER_QUESTION,
    tools: { get_weather: getWeather },
    stopWhen: stepCountIs(5),
  };
}

async function toolLoop(name) {
  const ran = [];
  return { ...answered(await generateText(question(name, ran))), ran };
}

async function streamedToolLoop(name) {
  const ran = [];
  const result = streamText({ ...question(name, ran), providerOptions: thinks });
  const pieces = [];
  const failures = [];
  for await (const part of result.fullStream) {
    if (part.type === 'text-delta') pieces.push(part.text);
    if (part.type === 'error') failures.push(part.error);
  }
  if (failures.length) throw failures[0];
  const [text, reasoning, steps] = [await result.text, await result.reasoningText, await result.steps];
  return { text, reasoning, pieces, ran, steps: steps.length };
}

async function thinking(name) {
  return answered(await generateText({ model: provider()(name), prompt: QUESTION, providerOptions: thinks }));
}

async function image(name) {
  const content = [
    { type: 'text', text: PICTURE_QUESTION },
    { type: 'image', image: driving.PICTURE, mediaType: 'image/png' },
  ];
  return answered(await generateText({ model: provider()(name), messages: [{ role: 'user', content }] }));
}

// what a newer version calls output is still experimental_output in 5
async function structured(name, structuredOutputMode) {
  const output = Output.object({ schema: z.object({ name: z.string(), age: z.number() }) });
  const result = await generateText({
    model: provider()(name),
    prompt: PERSON_QUESTION,
    output,
    experimental_output: output,
    providerOptions: structuredOutputMode && { anthropic: { structuredOutputMode } },
  });
  return { value: result.experimental_output ?? result.output };
}

async function refused(name) {
  return answered(await generateText({ model: provider(driving.WRONG_KEY)(name), prompt: QUESTION }));
}

function told(error) {
  const call = RetryError.isInstance(error) ? error.lastError : error;
  return {
    kind: error.name,
    status: APICallError.isInstance(call) ? call.statusCode : null,
    message: call.message,
    retry_after: call.responseHeaders?.['retry-after'],
    tries: error.errors?.length,
  };
}

await driving.drive(
  {
    plain,
    streamed,
    'tool-loop': toolLoop,
    thinking,
    'streamed-tool-loop': streamedToolLoop,
    image,
    structured: (name) => structured(name, 'outputFormat'),
    'structured-tool': (name) => structured(name),
    'rate-limited': plain,
    unauthorized: refused,
    overflow: plain,
  },
  told,
);
