/** The code of a training job calls its server: without a key, and with the credentials of the job. It cannot approve a model. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { TrainingJobBody, TrainingLogBody, VersionBody } from '../../src/api/index.ts';
import { until } from '../end-to-end/poll.ts';
import { Server, temporaryDirectory } from '../end-to-end/server.ts';

const skip = spawnSync('curl', ['--version']).status === 0 ? false : 'curl is not installed';

/** Prints the status of each call, with a word for it. */
const script = `
call() { word=$1; shift; echo "$word $(curl -s -o /dev/null -w '%{http_code}' "$@")"; }
approval="$AWS_ENDPOINT_URL/api/v1/groups/mine/versions/1/approval"
json='content-type: application/json'
call keyless -X POST -H "$json" -d '{"approval":"Approved"}' "$approval"
call keys "$AWS_ENDPOINT_URL/api/v1/keys"
call train -X POST -H "$json" -d '{"name":"child","environment":null,"command":["true"]}' "$AWS_ENDPOINT_URL/api/v1/training-jobs"
signed() { echo "$1 $(curl -s --aws-sigv4 aws:amz:us-east-1:sagemaker --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -H "x-amz-security-token: $AWS_SESSION_TOKEN" \\
  -H 'content-type: application/x-amz-json-1.1' -H "x-amz-target: SageMaker.$2" -d "$3" "$AWS_ENDPOINT_URL/" | grep -o '"__type":"[A-Za-z]*"')"; }
package=arn:aws:sagemaker:us-east-1:000000000000:model-package/mine/1
signed approve UpdateModelPackage "{\\"ModelPackageArn\\":\\"$package\\",\\"ModelApprovalStatus\\":\\"Approved\\"}"
signed stop StopTrainingJob '{"TrainingJobName":"mine-1"}'
`;

const isRoot = process.getuid?.() === 0;
for (const { when, config, keyless } of [
  { when: 'isolated as well as this machine allows', config: {}, keyless: isRoot ? '401' : '403' },
  { when: 'not isolated by configuration', config: { isolation: { mode: 'none' } }, keyless: '403' },
]) {
  describe(`a training job, ${when},`, { skip, timeout: 120_000 }, () => {
    test('cannot approve a model of its group, read keys, or start jobs', async () => {
      const dataDir = temporaryDirectory();
      writeFileSync(join(dataDir, 'config.json'), JSON.stringify(config));
      const server = await Server.start({ dataDir });
      try {
        await server.register('mine', 'digits_mlp');
        const spec = { name: 'mine-1', environment: null, command: ['/bin/sh', '-c', script], group: 'mine' };
        await server.callWell<TrainingJobBody>('POST', '/training-jobs', spec);
        const job = await until('the job is over', async () => {
          const read = await server.callWell<TrainingJobBody>('GET', '/training-jobs/mine-1', undefined);
          return read.status !== 'InProgress' && read;
        });
        assert.equal(job.status, 'Completed', job.reason ?? '');
        const { items } = await server.callWell<TrainingLogBody>('GET', '/training-jobs/mine-1/logs');
        assert.deepEqual(
          items.map(({ line }) => line),
          [
            `keyless ${keyless}`,
            `keys ${keyless}`,
            `train ${keyless}`,
            'approve "__type":"AccessDeniedException"',
            'stop "__type":"AccessDeniedException"',
          ],
        );
        const { approval } = await server.callWell<VersionBody>('GET', '/groups/mine/versions/1');
        assert.equal(approval, 'PendingManualApproval');
        assert.equal((await server.call('GET', '/training-jobs/child')).status, 404);
      } finally {
        await server.end();
        rmSync(dataDir, { recursive: true });
      }
    });
  });
}
