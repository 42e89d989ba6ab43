import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { isMainThread } from 'node:worker_threads';
import { SystemClock } from '../../../clock.ts';
import { blocksOf } from '../../../codecs/index.ts';
import { ThreadPool } from '../../../threads/index.ts';
import type { ObjectForm } from '../transform-job.ts';
import { ProcessRecords } from './process-records.ts';
import { RecordFilters } from './record-filters.ts';

const pool = new ThreadPool({ clock: new SystemClock(), threadsMax: 1 });
after(() => pool.close());
const form: ObjectForm = {
  format: 'jsonl',
  contentType: 'application/jsonlines',
  isGzip: false,
  isSplit: true,
  result: 'jsonl',
  resultType: 'application/jsonlines',
};

/** The output for these lines with the filters, from a model that returns the length of each line; and how many tasks ran in a thread. */
async function filtered(lines: readonly string[]) {
  const received: string[] = [];
  const tasks: string[] = [];
  const records = new ProcessRecords({
    form,
    filters: new RecordFilters({ inputFilter: '$.x', outputFilter: '$.SageMakerOutput', joins: true }),
    policy: 'mark',
    assemble: 'line',
    run: async (body) => {
      const text = body.toString();
      received.push(text);
      return Buffer.from(
        text
          .trimEnd()
          .split('\n')
          .map((line) => `${line.length}\n`)
          .join(''),
      );
    },
    threads: {
      run: (task, input, options) => {
        tasks.push(task.name);
        return pool.run(task, input, options);
      },
    },
  });
  async function* bytes() {
    yield Buffer.from(lines.map((line) => `${line}\n`).join(''));
  }
  const outputs: string[] = [];
  const bad: number[] = [];
  for await (const block of blocksOf(bytes(), { recordsMax: Number.POSITIVE_INFINITY, bytesMax: 2 ** 24, hasQuotes: false })) {
    const result = await records.lines(block);
    outputs.push(result.output.toString());
    bad.push(...result.bad.map(({ line }) => line));
  }
  return { output: outputs.join(''), received: received.join(''), bad, tasks };
}

if (isMainThread) {
  test('filters small records in place, and large ones in a thread, with the same result', async () => {
    const small = await filtered(['{"id":1,"x":"a"}', '{"id":2,"x":"bc"}']);
    assert.deepEqual(small, { output: '3\n4\n', received: '"a"\n"bc"\n', bad: [], tasks: [] });
    const id = 'i'.repeat(200_000);
    const large = await filtered([`{"id":"${id}","x":"a"}`, '{"id":2,"x":"bc"}']);
    assert.deepEqual(large, { ...small, tasks: ['filterInputsTask', 'filterOutputsTask'] });
  });

  test('finds the bad record among large ones', async () => {
    const id = 'i'.repeat(200_000);
    const { output, bad } = await filtered([`{"id":"${id}","x":"a"}`, `{"id":"${id}"`, '{"x":"bc"}']);
    assert.deepEqual([output.replaceAll('\n', ' '), bad], ['3 null4 ', [2]]);
  });
}
