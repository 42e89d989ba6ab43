/** Specifications of workers as they arrive at an agent. The home is trusted, its version may differ: what is missing is an error. Pure. */
import { PlatformError } from '../../errors.ts';
import type { WorkerSpec } from '../../providers/index.ts';

type Fields = Readonly<Record<string, unknown>>;

const isText = (value: unknown): boolean => typeof value === 'string' && value.length > 0 && value.length <= 4096;
const isCount = (value: unknown): boolean => typeof value === 'number' && value >= 0 && Number.isFinite(value);
const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);
const isAddress = (value: unknown): boolean => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);

/** Why a specification stays on the machine of the home; null if any host can run it. */
export function localReason({ process }: WorkerSpec): string | null {
  if (process?.isIsolated === false) return 'its program is not isolated, which config.json of the home allows';
  if ((process?.paths ?? []).length > 0) return 'its program reads files of the machine of the home';
  return null;
}

/** Throws `invalid_request`, naming what is wrong. */
export function readSpec(value: unknown): WorkerSpec {
  const wrong = problemOf(value);
  if (wrong !== null) throw new PlatformError('invalid_request', `the specification of a worker is not valid: ${wrong}`);
  const spec = value as WorkerSpec;
  const local = localReason(spec);
  if (local !== null) throw new PlatformError('unsupported', `this host cannot run the worker: ${local}`);
  return spec;
}

function problemOf(value: unknown): string | null {
  if (!isObject(value)) return 'it is not an object';
  for (const name of ['id', 'endpoint', 'variant', 'modelName', 'instanceType']) if (!isText(value[name])) return `${name} is not a text`;
  for (const name of ['generation', 'threads', 'memoryMiB']) if (!isCount(value[name])) return `${name} is not a number`;
  if (value['vcpuMax'] !== null && !isCount(value['vcpuMax'])) return 'vcpuMax is not a number';
  if (value['kind'] !== 'instance' && value['kind'] !== 'function') return 'kind is neither instance nor function';
  const { plans, process } = value;
  if (process !== undefined && !(isObject(process) && Array.isArray(process['command']))) return 'process has no command';
  if (plans !== undefined && !(isObject(plans) && Array.isArray(plans['others']) && Array.isArray(plans['plans'])))
    return 'plans has no plans';
  const others = isObject(plans) ? (plans['others'] as readonly unknown[]) : [];
  const pythons = [value['python'], ...others.map((other) => (isObject(other) ? other['python'] : undefined))];
  if (!pythons.every((each) => each === undefined || isPython(each))) return 'a Python model is incomplete';
  if (value['python'] !== undefined && !isEnvironment(value['python'])) return 'a Python model has no environment';
  const artifacts = [value['artifact'], ...others];
  return artifacts.every(isArtifact) ? null : 'an artifact has no SHA-256';
}

function isPython(value: unknown): boolean {
  if (!isObject(value) || !isText(value['flavour']) || !isText(value['form']) || typeof value['entry'] !== 'string') return false;
  const { signature } = value;
  return isObject(signature) && Array.isArray(signature['inputs']) && Array.isArray(signature['outputs']);
}

function isEnvironment(value: unknown): boolean {
  const { environment, modules } = value as Fields;
  if (!isObject(environment) || !Array.isArray(modules) || !modules.every(isText)) return false;
  const { name, lock } = environment;
  return (name === null || isText(name)) && (lock === null || isAddress(lock));
}

/** The worker finds the files of its model by their names in a folder. */
function isInside(name: unknown): boolean {
  return (
    typeof name === 'string' && isText(name) && !name.includes('\0') && name.split('/').every((part) => !['', '.', '..'].includes(part))
  );
}

function isArtifact(value: unknown): boolean {
  if (!isObject(value) || !isAddress(value['sha256']) || !isCount(value['bytes'])) return false;
  const { data } = value;
  return (
    data === undefined ||
    (Array.isArray(data) && data.every((file) => isObject(file) && isInside(file['name']) && isAddress(file['sha256'])))
  );
}
