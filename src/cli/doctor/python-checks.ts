/** Checks of `penstock doctor` for Python models: their interpreters, and the tool that builds environments. */
import { SystemClock } from '../../clock.ts';
import { loadSetting } from '../../config.ts';
import { messageOf } from '../../errors.ts';

/** A check without its result: a problem of Python costs a feature, never the server. */
export interface PythonCheck {
  readonly name: string;
  readonly found: string;
  /** Null if all is well. */
  readonly advice: string | null;
}

/** Runs each interpreter. Never throws. */
export async function checkPython(dataDirectory: string): Promise<readonly PythonCheck[]> {
  try {
    return await inspectPython(dataDirectory);
  } catch (error) {
    return [{ name: 'python', found: messageOf(error), advice: 'correct `environments` in config.json' }];
  }
}

async function inspectPython(dataDirectory: string): Promise<readonly PythonCheck[]> {
  const { environmentSettings, findInterpreter, findTool, inspectInterpreter } = await import('../../environments/index.ts');
  const { build, interpreters } = environmentSettings(loadSetting('environments', { flags: { dataDir: dataDirectory }, env: process.env }));
  const named = await Promise.all(
    [...interpreters].map(async ([name, path]) => {
      const found = await inspectInterpreter(path).catch((error: unknown) => messageOf(error));
      return { name, path, found };
    }),
  );
  const configured = named.find(({ name }) => name === 'default')?.found;
  const first = configured ?? (await findInterpreter());
  const others = named.map(({ name, path, found }) =>
    typeof found === 'string' ? `${name}: ${found}` : `${name} ${found.version} (${path})`,
  );
  const broken = named.some(({ found }) => typeof found === 'string');
  if (first === null || typeof first === 'string') {
    const advice = 'install python3 (3.9 or newer), or set environments.default.python in config.json; ONNX models need none';
    return [{ name: 'python', found: ['none', ...others].join(', '), advice }];
  }
  const own = configured === undefined ? [`default ${first.version} (${first.path})`] : [];
  const interpreterCheck = {
    name: 'python',
    found: [...own, ...others].join(', '),
    advice: broken ? 'correct environments.NAME.python in config.json' : null,
  };
  return [interpreterCheck, await checkTool(() => findTool(build, first)), await checkForks(dataDirectory, first.path)];
}

/** Forks a worker with real processes as this user. A server of another user may get another result. */
async function checkForks(dataDirectory: string, interpreter: string): Promise<PythonCheck> {
  const { findForks, isolationSettings } = await import('../../providers/index.ts');
  const config = loadSetting('isolation', { flags: { dataDir: dataDirectory }, env: process.env });
  const why = await findForks(isolationSettings(config), interpreter, new SystemClock());
  const name = 'python workers';
  if (why === null) return { name, found: 'forked, each in namespaces of its own', advice: null };
  const advice = 'they work, with cold starts that take as long as the imports; see docs/operate/isolation.md';
  return { name, found: `spawned, because they cannot be forked here: ${why}`, advice };
}

async function checkTool(
  find: () => Promise<{ readonly kind: 'uv'; readonly path: string } | { readonly kind: 'pip' }>,
): Promise<PythonCheck> {
  const name = 'environments';
  try {
    const tool = await find();
    if (tool.kind === 'uv') return { name, found: `built with uv (${tool.path})`, advice: null };
    return { name, found: 'built with pip (uv builds several times faster: pip install uv)', advice: null };
  } catch (error) {
    return { name, found: messageOf(error), advice: 'correct environments.build.tool in config.json' };
  }
}
