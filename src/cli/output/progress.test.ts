import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { Progress } from './progress.ts';

function progressOn(isTTY: boolean) {
  let text = '';
  const clock = new VirtualClock();
  const progress = new Progress({ stderr: { write: (more: string) => (text += more), isTTY, columns: 60 }, env: { NO_COLOR: '1' }, clock });
  return { progress, clock, text: () => text };
}

test('prints one line per stage if the output is not a terminal', () => {
  const { progress, clock, text } = progressOn(false);
  progress.stage('upload', 'digits.onnx');
  clock.advance(12);
  progress.stage('workers', '0 of 1 ready');
  clock.advance(100);
  progress.write('0 of 1 ready');
  progress.done('1 of 1 ready');
  progress.stage('endpoint', 'already exists');
  progress.done();
  assert.equal(text(), '✔ upload    digits.onnx (12 ms)\n✔ workers   1 of 1 ready (100 ms)\n✔ endpoint  already exists\n');
});

test('animates the running stage in place on a terminal', () => {
  const { progress, clock, text } = progressOn(true);
  progress.stage('inspect', 'digits.onnx');
  clock.advance(80);
  assert.equal(text(), '\r\u001b[K⠋ inspect   digits.onnx\r\u001b[K⠙ inspect   digits.onnx');
  progress.fail();
  assert(text().endsWith('\r\u001b[K✘ inspect   digits.onnx\n'));
  const ended = text();
  clock.advance(1000);
  assert.equal(text(), ended, 'the animation has stopped');
});
