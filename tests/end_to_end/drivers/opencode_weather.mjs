// A tool that a user of opencode has in the project.

import { z } from 'zod';
import { weather } from '../../driving.mjs';

export default {
  description: 'Tells the weather of a city.',
  args: { city: z.string() },
  execute: async (input) => weather(input.city),
};
