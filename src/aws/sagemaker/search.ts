/** Search over model packages, their groups, endpoints and training jobs. It evaluates conditions on everything that might match, within a limit. */
import { type AwsCall, AwsError, type AwsInput, type AwsOperation, type AwsOutput, readOperation } from '../service.ts';
import { pageOfAll, readPage } from './pages.ts';
import { compileExpression, requiredValues, type SearchExpression } from './search-expression.ts';

/** Resources of one kind as Describe returns them, with their tags. */
export interface Searchable {
  /** The members that name a resource. */
  readonly names: readonly string[];
  /** `group` limits packages to one group. Resolves to at most `limit` resources. */
  readonly all: (call: AwsCall, selection: { readonly group: string | null; readonly limit: number }) => Promise<readonly AwsOutput[]>;
}

/** The value of `Resource`; other resources of AWS are rejected. */
export type SearchableKind = 'ModelPackage' | 'ModelPackageGroup' | 'Endpoint' | 'TrainingJob';

/** Describing one takes up to a millisecond. */
const searchedMax = 2000;
const sorts = ['LastModifiedTime', 'CreationTime', 'Name'] as const;

/** The operation Search over the given kinds. */
export function searchOperation(kinds: Readonly<Record<SearchableKind, Searchable>>): AwsOperation {
  // Packages need the permission read as well.
  return readOperation('read endpoints', async (input, call) => {
    const { Resource: kind, SearchExpression: expression } = input as { Resource: string; SearchExpression?: SearchExpression };
    if (!Object.hasOwn(kinds, kind)) {
      throw invalid(`Search over ${kind} is not supported: expected one of ${Object.keys(kinds).join(', ')}.`);
    }
    if (input['CrossAccountFilterOption'] === 'CrossAccount') throw invalid('There is only one account: expected the option SameAccount.');
    const { names, all } = kinds[kind as SearchableKind];
    const matches = compileExpression(expression);
    const request = readPage(sortedInput(input, names), { operation: call.operation, sorts, orderDefault: 'Descending' });
    const [group = null] = expression === undefined ? [] : requiredValues(expression, 'ModelPackageGroupName');
    const candidates = await all(call, { group, limit: searchedMax + 1 });
    if (candidates.length > searchedMax) {
      throw invalid(`More than ${searchedMax} resources would be searched. Add a filter ModelPackageGroupName with the operator Equals.`);
    }
    const nameOf = (resource: AwsOutput): string => names.map((name) => ((resource[name] ?? '') as string | number).toString()).join('/');
    const found = candidates.filter(matches);
    const { items, next } = pageOfAll(found, request, {
      entryOf: (resource) => ({ name: nameOf(resource), createdAtMs: timeOf(resource, 'CreationTime') }),
      sortValue: (resource, sortBy) => (sortBy === 'Name' ? nameOf(resource).toLowerCase() : timeOf(resource, sortBy)),
    });
    return { Results: items.map((resource) => ({ [kind]: resource })), TotalHits: { Value: found.length, Relation: 'EqualTo' }, ...next };
  });
}

/** Sorting by a member that names the resource is sorting by name. Throws `ValidationException` for any other member. */
function sortedInput(input: AwsInput, names: readonly string[]): AwsInput {
  const { SortBy } = input as { readonly SortBy?: string };
  if (SortBy === undefined || sorts.some((sort) => sort === SortBy)) return input;
  if (names.includes(SortBy)) return { ...input, SortBy: 'Name' };
  throw invalid(`SortBy ${SortBy} is not supported: expected LastModifiedTime, CreationTime or ${names.join(', ')}.`);
}

/** A resource that was never changed is sorted by its creation time. */
function timeOf(resource: AwsOutput, member: string): number {
  const time = resource[member] ?? resource['CreationTime'];
  return time instanceof Date ? time.getTime() : 0;
}

function invalid(message: string): AwsError {
  return new AwsError('ValidationException', message);
}
