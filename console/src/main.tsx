/** Entry point of the console: theme, query cache, routes. */
import '@mantine/core/styles.layer.css';
import 'uplot/dist/uPlot.min.css';
import './theme/base.css';
import './theme/mantine.css';
import './kit/parts.css';
import './kit/charts.css';
import './shell/shell.css';
import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { ApiError } from './api/client.ts';
import { LiveProvider } from './api/live.tsx';
import { makeRouter } from './routes.tsx';
import { cssVariables, styleNonce, theme } from './theme/theme.ts';

// The scroll lock of dialogs (react-remove-scroll) inserts a style element and reads its CSP nonce from here.
Object.assign(globalThis, { __webpack_nonce__: styleNonce() });

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2000,
      // A server on this machine responds without a network; and a query that waits for one would not notice that the server is away.
      networkMode: 'always',
      // Retry only if the server did not respond or is unavailable; other errors would repeat.
      retry: (failures, error) => failures < 2 && error instanceof ApiError && (error.status === 0 || error.status === 503),
      retryDelay: 500,
    },
  },
});
const router = makeRouter();
const root = document.getElementById('root');
if (root === null) throw new Error('the page has no element with the id root');

createRoot(root).render(
  <StrictMode>
    <MantineProvider theme={theme} cssVariablesResolver={cssVariables} defaultColorScheme="auto" getStyleNonce={styleNonce}>
      <QueryClientProvider client={client}>
        <LiveProvider>
          <RouterProvider router={router} />
        </LiveProvider>
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
