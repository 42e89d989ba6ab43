import assert from 'node:assert/strict';
import { test } from 'node:test';
import { payloadPart, streamException } from './event-stream.ts';

test('frames a chunk of a stream as clients decode it', () => {
  assert.equal(
    payloadPart(Buffer.from('ok')).toString('hex'),
    '0000006b00000059997770650d3a6d6573736167652d747970650700056576656e740b3a6576656e742d7479706507000b5061796c6f6164506172740d3a' +
      '636f6e74656e742d747970650700186170706c69636174696f6e2f6f637465742d73747265616d6f6bdc91f789',
  );
});

test('ends a failed stream with an exception', () => {
  assert.equal(
    streamException('ModelStreamError', { Message: 'm', ErrorCode: 'StreamBroken' }).toString('hex'),
    '000000980000005e0887cf4b0d3a6d6573736167652d74797065070009657863657074696f6e0f3a657863657074696f6e2d747970650700104d6f64656c' +
      '53747265616d4572726f720d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b224d657373616765223a226d222c224572' +
      '726f72436f6465223a2253747265616d42726f6b656e227d08326baf',
  );
});
