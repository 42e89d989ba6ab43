import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { TensorSpec } from '../../tensor.ts';
import { packElements } from './elements.ts';
import { cutRows } from './row-chunks.ts';

const specs: readonly TensorSpec[] = [
  { name: 'x', datatype: 'FP32', shape: [-1, 3] },
  { name: 'text', datatype: 'BYTES', shape: [-1, 2] },
  { name: 'scale', datatype: 'FP32', shape: [] },
];

test('splitting loses nothing, and no part has more rows than allowed', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.string(), { minLength: 100, maxLength: 100 }),
      (rows, rowsMax, words) => {
        const numbers = Array.from({ length: rows * 3 }, (_, index) => index);
        const inputs = [
          { name: 'x', datatype: 'FP32', shape: [rows, 3], data: packElements('x', 'FP32', numbers) } as const,
          { name: 'text', datatype: 'BYTES', shape: [rows, 2], data: packElements('text', 'BYTES', words.slice(0, rows * 2)) } as const,
          { name: 'scale', datatype: 'FP32', shape: [], data: packElements('scale', 'FP32', [2]) } as const,
        ];
        const chunks = cutRows({ inputs, rows }, specs, rowsMax);
        assert(chunks.every((chunk) => chunk.rows <= rowsMax && chunk.inputs[2]?.data.length === 4));
        for (const index of [0, 1]) {
          const joined = Buffer.concat(chunks.map((chunk) => chunk.inputs[index]?.data ?? new Uint8Array()));
          assert.deepEqual(joined, Buffer.from(inputs[index]?.data ?? []));
          assert.equal(
            chunks.reduce((sum, chunk) => sum + (chunk.inputs[index]?.shape[0] ?? 0), 0),
            rows,
          );
        }
      },
    ),
  );
});

test('rows without elements are not split into requests', () => {
  const specs = [{ name: 'x', datatype: 'FP32', shape: [-1, -1] }] as const;
  const inputs = [{ name: 'x', datatype: 'FP32', shape: [1e9, 0], data: new Uint8Array(0) }] as const;
  assert.throws(() => cutRows({ inputs, rows: 1e9 }, specs, 32), { code: 'invalid_request', message: /1000000000 rows without elements/ });
});
