/**
 * The server as one program, for tests that start servers (`bundled-server.ts`). It starts in half the processor time: Node neither looks for
 * each of its 1,000 modules nor strips their types. Its modules keep the locations of their sources, so its threads, workers and assets are
 * those of the checkout.
 */
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const root = join(import.meta.dirname, '../..');

const sourceLocations = {
  name: 'source-locations',
  enforce: 'pre',
  transform(code: string, id: string): string | null {
    if (!/import\.meta\.|\b__dirname\b/.test(code)) return null;
    return code
      .replaceAll('import.meta.dirname', JSON.stringify(dirname(id)))
      .replaceAll('import.meta.url', JSON.stringify(pathToFileURL(id).href))
      .replaceAll(/\b__dirname\b/g, JSON.stringify(dirname(id)));
  },
};

export default {
  root,
  configFile: false,
  plugins: [sourceLocations],
  ssr: {
    noExternal: true,
    external: ['onnxruntime-node', 'pg-native'],
  },
  build: { ssr: 'src/main.ts', target: 'es2024', minify: false, emptyOutDir: true, copyPublicDir: false },
};
