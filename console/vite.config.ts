/** Builds the console into `dist/`, which the server serves at `/`. `npm run dev` serves it from source and proxies to a running platform. */
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const platform = process.env['PENSTOCK_URL'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  build: {
    target: 'es2022',
    // Assets are never inlined as data URLs: the CSP allows only 'self'.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // The compressed size is limited by test/console/size.test.ts.
    chunkSizeWarningLimit: 800,
    license: { fileName: 'licences/libraries.md' },
  },
  server: { host: '127.0.0.1', proxy: Object.fromEntries(['/api', '/v1', '/v2'].map((path) => [path, { target: platform }])) },
});
