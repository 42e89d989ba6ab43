/** Routes of Python environments: list, create, describe, delete. */
import { z } from 'zod';
import { type Caller, hasPermission } from '../../access/index.ts';
import { type EnvironmentView, environmentLogGroup, type OperatorEnvironment, packagesOf } from '../../environments/index.ts';
import { PlatformError } from '../../errors.ts';
import { pageBody } from '../bodies.ts';
import { isoTime, pageByOffset, pageQuery } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';

const time = z.iso.datetime();
const environmentBody = z.strictObject({
  name: z.string().nullable().describe('Null for an environment that was built for the requirements of a model.'),
  kind: z.enum(['built', 'operator']).describe('`operator`: an interpreter of config.json.'),
  state: z.enum(['building', 'ready', 'failed']),
  reason: z.string().nullable().describe('Why the build failed, or why the interpreter does not start.'),
  python_version: z.string().nullable(),
  python: z.string().nullable().describe('Path of the interpreter; null without the permission `administer`.'),
  lock: z.string().nullable().describe('Key of the lock: the same packages, Python and platform have the same key.'),
  packages: z.number().nullable().describe('Number of installed packages; null if unknown.'),
  bytes: z.number().nullable(),
  users: z.array(z.string()).describe('Model versions that run in it.'),
  created_by: z.string().nullable(),
  created_at: time.nullable(),
  built_at: time.nullable(),
  used_at: time.nullable(),
});
const environmentDetailBody = environmentBody.extend({
  requirements: z.array(z.string()).describe('As requested.'),
  installed: z.array(z.strictObject({ name: z.string(), version: z.string() })),
  lines: z.array(z.string()).describe('The last lines of a failed build.'),
  log_group: z.string().nullable().describe('Log group of the builds.'),
});
export type EnvironmentBody = z.infer<typeof environmentBody>;
export type EnvironmentDetailBody = z.infer<typeof environmentDetailBody>;

const environmentInput = z.strictObject({
  name: z.string().min(1).max(63).describe('A recipe (sklearn, pytorch, xgboost, python) needs no requirements.'),
  python: z
    .string()
    .min(1)
    .max(4096)
    .optional()
    .describe(
      'Name of an interpreter of config.json; for an admin on the machine of the server also an absolute path. Default: `default`.',
    ),
  requirements: z.string().max(262_144).optional().describe('Text of a requirements file: names of packages with versions, no options.'),
  packages: z.array(z.string().min(1).max(4096)).max(500).optional().describe('Further packages, such as `numpy>=2`.'),
});
const environmentPath = z.strictObject({ environment: z.string().max(200) });

export function environmentRoutes({
  environments,
  access,
  connectionOf,
}: Pick<ApiServices, 'environments' | 'access' | 'connectionOf'>): ApiRoute[] {
  return [
    apiRoute('GET /environments', {
      summary: 'List the environments',
      description: 'Interpreters of config.json first, then named environments, then those that were built for requirements of models.',
      query: pageQuery,
      answer: pageBody(environmentBody),
      handle: async ({ query, caller }) => {
        const operators = (await environments.operators()).map((each) => operatorBodyOf(each, caller));
        const all = [...operators, ...(await environments.list()).map((each) => environmentBodyOf(each, caller))];
        return pageByOffset(
          query,
          ({ limit, offset }) => all.slice(offset, offset + limit),
          (body) => body,
        );
      },
    }),
    apiRoute('POST /environments', {
      summary: 'Create an environment',
      description: 'Returns at once; the environment is built in the background. If a build failed, the same name can be created again.',
      body: environmentInput,
      answer: environmentDetailBody,
      status: 202,
      handle: async ({ body: { name, python = null, requirements = null, packages = [] }, caller, request }) => {
        const isOperator = caller.role === 'admin' && access.isLocal(request.headers, connectionOf(request));
        if (python?.includes('/') === true && !isOperator) throw pathRefused();
        // The code of source distributions runs while they are built.
        if (environments.allowsSdist) access.require(caller, 'approve');
        return detailBodyOf(await environments.create({ name, python, requirements, packages }, caller.keyId), caller);
      },
    }),
    apiRoute('GET /environments/:environment', {
      summary: 'Get an environment, with its packages and the end of a failed build',
      params: environmentPath,
      answer: environmentDetailBody,
      handle: async ({ params: { environment: name }, caller }) => {
        const operator = (await environments.operators()).find((each) => each.name === name.toLowerCase());
        if (operator === undefined) return detailBodyOf(await environments.describe(name), caller);
        return { ...operatorBodyOf(operator, caller), requirements: [], installed: [], lines: [], log_group: null };
      },
    }),
    apiRoute('DELETE /environments/:environment', {
      summary: 'Delete an environment',
      description: 'Stops its build. Model versions that run in it keep it: its folder is deleted a week after its last use.',
      params: environmentPath,
      handle: async ({ params: { environment: name }, caller }) => {
        await environments.delete(name, caller.keyId);
      },
    }),
  ];
}

/** A path names a program that the server would run with its own rights. An admin on this machine can do that anyway. */
function pathRefused(): PlatformError {
  const expected = 'expected the name of an interpreter in config.json (environments.NAME.python)';
  return new PlatformError('forbidden', `python: ${expected}, got a path, which only an admin on the machine of the server may give`);
}

function operatorBodyOf({ name, path, version, problem, users }: OperatorEnvironment, { role }: Caller): EnvironmentBody {
  return {
    name,
    kind: 'operator',
    state: problem === null ? 'ready' : 'failed',
    reason: problem,
    python_version: version,
    python: hasPermission(role, 'administer') ? path : null,
    lock: null,
    packages: null,
    bytes: null,
    users: [...users],
    created_by: null,
    created_at: null,
    built_at: null,
    used_at: null,
  };
}

function environmentBodyOf(view: EnvironmentView, { role }: Caller): EnvironmentBody {
  const { lock } = view;
  return {
    name: view.name,
    kind: 'built',
    state: view.state,
    reason: view.reason,
    python_version: view.pythonVersion,
    python: hasPermission(role, 'administer') ? view.python : null,
    lock: view.lockKey,
    packages: lock === null ? null : packagesOf(lock.lock).length,
    bytes: lock?.bytes ?? null,
    users: [...view.users],
    created_by: view.createdBy,
    created_at: isoTime(view.createdAtMs),
    built_at: lock === null ? null : isoTime(lock.builtAtMs),
    used_at: lock === null ? null : isoTime(lock.usedAtMs),
  };
}

function detailBodyOf(view: EnvironmentView, caller: Caller): EnvironmentDetailBody {
  return {
    ...environmentBodyOf(view, caller),
    requirements: [...view.requirements],
    installed: view.lock === null ? [] : [...packagesOf(view.lock.lock)],
    lines: [...view.lines],
    log_group: environmentLogGroup(view),
  };
}
