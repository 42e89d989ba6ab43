import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Client } from '../client/client.ts';
import { approvedVersions, selectionOffer } from './selection-offer.ts';

const endpoint = { name: 'digits', objective: 'p95<=20ms' };
const answered = (model: string, state = 'Completed') => ({ model, state, quality: { kind: 'classes' } });
const evaluation = (set: string, ...models: readonly object[]) => ({ set: { name: set }, models });
const version = (number: number, approval = 'Approved') => ({ name: `digits/${number}`, approval });

/** Answers with these evaluations and versions. */
function serverWith(evaluations: readonly object[], versions: readonly object[]): Pick<Client, 'get'> {
  const get = async (path: string) => ({ items: path.startsWith('/evaluations') ? evaluations : versions, next: null });
  return { get: get as Client['get'] };
}

describe('after a deployment of one model', () => {
  test('models that answered the same set are offered with the command that selects among them', async () => {
    const evaluations = [
      evaluation('other', answered('x/1')),
      evaluation('holdout', answered('digits/2'), answered('mlp/1')),
      evaluation('holdout', answered('cnn/1'), answered('bad/1', 'Failed')),
    ];
    assert.equal(
      await selectionOffer(serverWith(evaluations, []), 'digits/2', endpoint),
      'mlp/1, cnn/1 answered holdout too. Let Penstock select among them: `penstock deploy digits --select digits/2,mlp/1,cnn/1 ' +
        "--evaluation holdout --accuracy '>=0.95' --objective 'p95<=20ms'`",
    );
  });

  test('without an evaluation, other approved versions of the group are named with the command that evaluates them', async () => {
    const server = serverWith([], [version(3), version(2, 'Rejected'), version(1)]);
    assert.equal(
      await selectionOffer(server, 'digits/3', endpoint),
      'digits has 2 approved versions. To let Penstock select among them, evaluate them first: ' +
        '`penstock evaluate digits/3 digits/1 --data FILE --label COLUMN --name SET`',
    );
  });

  test('nothing is offered if there is no choice, or the caller may not read evaluations', async () => {
    assert.equal(await selectionOffer(serverWith([evaluation('s', answered('digits/1'))], [version(1)]), 'digits/1', endpoint), null);
    const get = () => Promise.reject(new Error('forbidden'));
    assert.equal(await selectionOffer({ get }, 'digits/1', endpoint), null);
  });
});

test('one group offers its six newest approved versions to a selection', async () => {
  const versions = [8, 7, 6, 5, 4, 3, 2, 1].map((number) => version(number, number === 7 ? 'Rejected' : 'Approved'));
  assert.deepEqual(
    await approvedVersions(serverWith([], versions), 'digits'),
    [8, 6, 5, 4, 3, 2].map((number) => `digits/${number}`),
  );
});
