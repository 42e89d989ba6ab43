/** The settings of capture: which calls of an endpoint are stored, and where. */
import type { Fields } from './field.ts';

/** By name, as the API and the stored config have them. */
export const captureFields = {
  percent: {
    kind: 'percent',
    least: 0,
    most: 100,
    expected: 'expected a share of 0 to 100 percent of the calls',
    about: 'Percentage of the calls to capture.',
    default: 100,
    flag: '--capture',
    help: 'store the inputs and outputs of this share of calls, such as 10%, or none',
    defaultText: 'none',
  },
  inputs: { kind: 'boolean', default: true },
  outputs: { kind: 'boolean', default: true },
  to: {
    kind: 'text',
    about: 's3://BUCKET/PREFIX on this server, with one folder per endpoint below it.',
    default: 's3://penstock-capture',
    flag: '--capture-to',
    placeholder: '<destination>',
    help: "destination in the server's object store, s3://BUCKET/PREFIX",
  },
  redact: {
    kind: 'names',
    about: 'Inputs, outputs, CSV columns and JSON members whose values are never stored.',
    default: [],
    flag: '--redact',
    help: 'inputs, columns or JSON members whose values are never stored: a,b,c',
    defaultText: null,
  },
  csvTypes: { kind: 'names', isOptional: true, about: 'Content types that are stored as CSV. Default: text/csv.' },
  jsonTypes: { kind: 'names', isOptional: true, about: 'Content types that are stored as JSON. Default: application/json.' },
} as const satisfies Fields;
