import {z} from 'zod';
import {complaint, form, line} from '../src/spec/fields.ts';
import {nameWords} from './name-words.ts';

/** A duration, in the words of src/duration.ts. */
const duration = form(/^[1-9]\d{0,5}[smhdw]$/, 'a duration', 'Write a whole number and s, m, h, d or w: 30m');

const name = line.superRefine((text, context) => {
  for (const {1: word = ''} of text.matchAll(/\{([^{}]*)\}/g)) {
    if (nameWords.some((known) => known === word)) continue;
    const known = nameWords.map((one) => `{${one}}`).join(', ');
    context.addIssue({
      code: 'custom',
      message: complaint(`{${word}} stands for nothing in a name`, `Use ${known}`),
    });
  }
});

/** Options under `register` that every target with a registrar has. */
export const registerFields = {
  name: name
    .describe(
      'What the image is called there, with {image}, {target}, {release}, {architecture}, {digest} (12 digits).',
    )
    .exactOptional(),
  keep_last: z
    .int()
    .min(1)
    .max(1000)
    .describe('How many images of this lineage stay, the newest among them; all where it is left out.')
    .exactOptional(),
  replace: z
    .boolean()
    .describe('Whether older images of this lineage go at once: keep_last: 1.')
    .exactOptional(),
  deprecate_after: duration
    .describe('Age at which superseded images are marked as deprecated, e.g. 30d.')
    .exactOptional(),
  timeout: duration
    .describe('When a registration is given up and cleaned; 60m where it is left out.')
    .exactOptional(),
};
