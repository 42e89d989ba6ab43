/** The settings of an endpoint, apart from its variants, objective and capture. */
import { type Fields, wholeMs } from './field.ts';

/** Rows of the table. A new row appears in all APIs, the command line and the console's form. */
export const endpointFields = {
  late: {
    kind: { choices: ['serve', 'shed'] },
    expected: "late: expected 'serve' or 'shed'",
    about: 'Handling of requests that cannot meet the objective: serve them late, or shed them with 429.',
    default: 'serve',
    flag: '--late',
    placeholder: '<action>',
    help: 'what to do with requests that cannot meet the objective: serve them late, or shed them',
    defaultText: null,
  },
  timeoutMs: {
    ...wholeMs(1, 3_600_000),
    noun: 'the timeout',
    about: 'Requests not answered within this time are cancelled.',
    default: 60_000,
    flag: '--request-timeout',
    help: 'longest time for a request, such as 2s',
    defaultText: null,
  },
  description: { kind: 'text', isOptional: true },
} as const satisfies Fields;
