/** Kills the server while clients upload: acknowledged objects are complete, and nothing partial remains. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { until } from '../../end-to-end/poll.ts';
import { AwsFixture } from './aws-fixture.ts';

const Bucket = 'killed';
const kills = 3;
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

test('three kills lose no acknowledged object and leave none partially stored', { timeout: 500_000 }, async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'penstock-compat-s3-kills-'));
  let aws = await AwsFixture.open({ dataDir });
  /** The possible contents by key. Several if the outcome of a write is unknown. */
  const possible = new Map<string, Set<string>>();
  let acknowledged = 0;
  try {
    await aws.s3.send(new CreateBucketCommand({ Bucket }));
    /** Every writer has its own keys, and writes until the server is killed. */
    const write = async (writer: number): Promise<void> => {
      for (let n = 0; ; n++) {
        const Key = `${writer}/${n % 3}`;
        const isLarge = writer === 0;
        const Body = randomBytes(isLarge ? 11_000_000 : 1 + ((writer * 7919 + n * 104_729) % 200_000));
        const params = { Bucket, Key, Body };
        possible.set(Key, new Set([...(possible.get(Key) ?? ['none']), sha256(Body)]));
        if (isLarge) await new Upload({ client: aws.s3, params }).done();
        else await aws.s3.send(new PutObjectCommand(params));
        possible.set(Key, new Set([sha256(Body)]));
        acknowledged++;
      }
    };
    for (let kill = 0; kill < kills; kill++) {
      const writers = Promise.allSettled(Array.from({ length: 5 }, (_, writer) => write(writer)));
      const enough = acknowledged + 25 + 20 * kill;
      await until('the server has acknowledged enough writes', () => acknowledged >= enough);
      aws.server.signal('SIGKILL');
      await aws.server.ended;
      await writers;
      await aws.close();
      aws = await AwsFixture.open({ dataDir });

      const { Contents = [] } = await aws.s3.send(new ListObjectsV2Command({ Bucket }));
      const there = new Set(Contents.map(({ Key }) => Key));
      for (const [Key, bodies] of possible) {
        if (!there.has(Key)) {
          assert(bodies.has('none'), `${Key} was acknowledged but is lost`);
          continue;
        }
        const { Body } = await aws.s3.send(new GetObjectCommand({ Bucket, Key }));
        const found = sha256((await Body?.transformToByteArray()) ?? new Uint8Array());
        assert(bodies.has(found), `${Key} has unknown content`);
        possible.set(Key, new Set([found]));
      }
      assert.deepEqual(readdirSync(join(dataDir, 'buckets', 'temporary')), []);
    }
    const { Uploads = [] } = await aws.s3.send(new ListMultipartUploadsCommand({ Bucket }));
    assert(Uploads.length <= kills);
  } finally {
    await aws.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
});
