import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { digits, openNativeApi } from '../../../test/native-api-fixture.ts';
import { SystemClock } from '../../clock.ts';

const requestTimeoutMs = 500;
let server: Awaited<ReturnType<typeof openNativeApi>>;
before(async () => {
  server = await openNativeApi({ headersTimeoutMs: requestTimeoutMs, requestTimeoutMs });
});
after(() => server?.close());

/** The model in pieces, over more than the time limit of requests. */
async function* slowly(): AsyncGenerator<Uint8Array> {
  const clock = new SystemClock();
  const startMs = clock.nowMs();
  for (let from = 0; from < digits.length; from += 2000) {
    await new Promise<void>((resolve) => clock.after(requestTimeoutMs / 4, resolve));
    yield digits.subarray(from, from + 2000);
  }
  assert(clock.nowMs() - startMs > requestTimeoutMs);
}

for (const path of ['/models/preview', '/groups/digits/versions']) {
  test(`an upload to ${path} may take longer than other requests, as long as bytes arrive`, async () => {
    const response = await fetch(`${server.url}/api/v1${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: ReadableStream.from(slowly()),
      duplex: 'half',
    });
    assert(response.ok, `${response.status} ${await response.text()}`);
  });
}
