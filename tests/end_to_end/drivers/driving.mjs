// What all drivers have in common: what they ask, and how they tell what came of it.
//
// A driver is told by its arguments which scenarios to go through. It uses its client as that client's users do, with
// the client's defaults, and writes one JSON line for each: {"scenario": NAME, ...} with what the user gets to see
// (text, pieces, reasoning, usage, ran, value), or {"scenario": NAME, "error": {kind, status, message, retry_after}}.

export const URL = process.env.BRIDGE_URL;
export const KEY = process.env.BRIDGE_KEY;
export const WRONG_KEY = 'not-' + KEY;
export const PICTURE = process.env.PICTURE; // a PNG, in base64

export const QUESTION = 'What is the capital of France?';
export const WEATHER_QUESTION = 'How is the weather in Köln and Orléans?';
export const PICTURE_QUESTION = 'How many pictures do you see?';
export const PERSON_QUESTION = 'Tell me of Zoë.';

export const PERSON = {
  type: 'object',
  properties: { name: { type: 'string' }, age: { type: 'integer' } },
  required: ['name', 'age'],
};

export const MAX_TOKENS = 2000;
export const BUDGET = 1024;

export function weather(city) {
  return `${city}: 18 degrees`;
}

export async function drive(scenarios, told) {
  for (const scenario of process.argv.slice(2)) {
    let outcome;
    try {
      outcome = await scenarios[scenario](scenario);
    } catch (error) {
      outcome = { error: told(error) };
      console.error(scenario, error);
    }
    process.stdout.write(JSON.stringify({ scenario, ...outcome }) + '\n');
  }
}
