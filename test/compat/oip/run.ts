/**
 * The conformance suite of the Open Inference Protocol (REST) against any server:
 *
 *   node test/compat/oip/run.ts http://127.0.0.1:8080 [--key ID:SECRET] [--body-limit BYTES] [--only C1,B2] [--deploy]
 *
 * The server must serve the models that `suite.ts` names (`--deploy` puts them on a Penstock). Prints a table and
 * counts; ends with 1 if a case failed, 2 if it was called wrongly. Texts of errors are asked of Penstock only.
 */
import { parseArgs, styleText } from 'node:util';
import { cases } from './cases.ts';
import { deployModels } from './deploy.ts';
import { type CaseResult, runCase, Target } from './suite.ts';

const marks = {
  passed: styleText('green', 'ok  '),
  failed: styleText('red', 'FAIL'),
  skipped: styleText('yellow', 'skip'),
} as const satisfies Record<CaseResult['outcome'], string>;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { key: { type: 'string' }, 'body-limit': { type: 'string' }, only: { type: 'string' }, deploy: { type: 'boolean' } },
  });
  const [url] = positionals;
  if (url === undefined || positionals.length > 1 || !URL.canParse(url)) {
    process.stderr.write('usage: run.ts http://HOST:PORT [--key ID:SECRET] [--body-limit BYTES] [--only C1,B2] [--deploy]\n');
    return 2;
  }
  const { key, only, deploy = false } = values;
  if (deploy) await deployModels(url, key);
  const bodyLimitBytes = values['body-limit'] === undefined ? {} : { bodyLimitBytes: Number(values['body-limit']) };
  const target = await Target.open(url, { ...(key === undefined ? {} : { key }), ...bodyLimitBytes });
  const chosen = cases.filter(({ id }) => only === undefined || only.split(',').includes(id));
  const count = { passed: 0, failed: 0, skipped: 0 };
  for (const each of chosen) {
    const { id, promise, outcome, why } = await runCase(each, target);
    count[outcome]++;
    process.stdout.write(
      `${marks[outcome]} ${id.padEnd(4)} ${promise}${why === '' ? '' : `\n          ${why.split('\n').slice(0, 12).join('\n          ')}`}\n`,
    );
  }
  target.wire.close();
  process.stdout.write(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped, of ${chosen.length}\n`);
  return count.failed > 0 ? 1 : 0;
}

process.exitCode = await main();
