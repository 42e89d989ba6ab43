/** Finds other models on the server. */
import { ModelUnderTest, specsOf } from './subject.ts';
import type { Target } from './target.ts';
import type { Json } from './wire.ts';

/** The names that the server lists, from either of the two listing calls; bounded. */
export async function servedModels({ wire }: Pick<Target, 'wire'>): Promise<string[]> {
  const listed = await wire.send('/v2/models');
  const { models } = listed.json ?? {};
  if (listed.status === 200 && Array.isArray(models)) return named(models);
  const index = await wire.send('/v2/repository/index', { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } });
  if (index.status !== 200 || !Array.isArray(index.json)) return [];
  return named((index.json as Json[]).filter(({ state }) => state === 'READY').map(({ name }) => name));
}

const modelsMax = 20;

function named(names: readonly unknown[]): string[] {
  return [...new Set(names)].filter((name): name is string => typeof name === 'string' && /^[\w.-]+$/.test(name)).slice(0, modelsMax);
}

/** A model that meets a case's requirements: the tested model, otherwise any that the server lists. */
export async function firstModelWith(
  target: Target,
  candidates: readonly string[],
  fits: (subject: ModelUnderTest) => boolean,
): Promise<ModelUnderTest | null> {
  if (fits(target.subject)) return target.subject;
  for (const name of candidates) {
    const { status, json } = await target.wire.send(`/v2/models/${name}`);
    if (status !== 200 || json === null || specsOf(json['inputs']).length === 0) continue;
    const subject = new ModelUnderTest(name, json);
    if (fits(subject)) return subject;
  }
  return null;
}
