/**
 * The route table. Each page is a chunk that is loaded when it is first opened. Paths contain the names of resources; the state of a page is
 * in the query.
 */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router';
import { Broken, Missing } from './shell/missing.tsx';
import { Shell } from './shell/shell.tsx';
import { SignedInUser } from './shell/signed-out.tsx';

const root = createRootRoute({ component: Shell, notFoundComponent: Missing });
const under = { getParentRoute: () => root } as const;

const routeTree = root.addChildren([
  createRoute({ ...under, path: '/', component: lazyRouteComponent(() => import('./deployment/overview-page.tsx'), 'OverviewPage') }),
  createRoute({ ...under, path: '/sign-in', component: SignedInUser }),
  createRoute({
    ...under,
    path: '/endpoints',
    component: lazyRouteComponent(() => import('./deployment/endpoints-page.tsx'), 'EndpointsPage'),
  }),
  createRoute({
    ...under,
    path: '/endpoints/$endpoint',
    component: lazyRouteComponent(() => import('./deployment/endpoint/endpoint-page.tsx'), 'EndpointPage'),
  }),
  createRoute({
    ...under,
    path: '/endpoints/$endpoint/try',
    component: lazyRouteComponent(() => import('./serving/try-page.tsx'), 'TryPage'),
  }),
  createRoute({ ...under, path: '/deploy', component: lazyRouteComponent(() => import('./deployment/deploy-page.tsx'), 'DeployPage') }),
  createRoute({ ...under, path: '/models', component: lazyRouteComponent(() => import('./registry/models-page.tsx'), 'ModelsPage') }),
  createRoute({ ...under, path: '/models/$group', component: lazyRouteComponent(() => import('./registry/group-page.tsx'), 'GroupPage') }),
  createRoute({
    ...under,
    path: '/environments',
    component: lazyRouteComponent(() => import('./environments/environments-page.tsx'), 'EnvironmentsPage'),
  }),
  createRoute({ ...under, path: '/jobs', component: lazyRouteComponent(() => import('./async-inference/jobs-page.tsx'), 'JobsPage') }),
  createRoute({
    ...under,
    path: '/training',
    component: lazyRouteComponent(() => import('./training/training-page.tsx'), 'TrainingPage'),
  }),
  createRoute({
    ...under,
    path: '/training/$job',
    component: lazyRouteComponent(() => import('./training/job-page.tsx'), 'TrainingJobPage'),
  }),
  createRoute({
    ...under,
    path: '/training/tuning/$tuning',
    component: lazyRouteComponent(() => import('./training/tuning/tuning-page.tsx'), 'TuningJobPage'),
  }),
  createRoute({
    ...under,
    path: '/training/processing/$processing',
    component: lazyRouteComponent(() => import('./training/processing/processing-page.tsx'), 'ProcessingJobPage'),
  }),
  createRoute({
    ...under,
    path: '/pipelines/$pipeline/executions',
    component: lazyRouteComponent(() => import('./training/graphs/graph-page.tsx'), 'GraphPage'),
  }),
  createRoute({
    ...under,
    path: '/pipelines/$pipeline/executions/$execution',
    component: lazyRouteComponent(() => import('./training/graphs/execution-page.tsx'), 'ExecutionPage'),
  }),
  createRoute({
    ...under,
    path: '/pipelines',
    component: lazyRouteComponent(() => import('./training/pipelines/pipelines-page.tsx'), 'PipelinesPage'),
  }),
  createRoute({
    ...under,
    path: '/pipelines/$pipeline',
    component: lazyRouteComponent(() => import('./training/pipelines/pipeline-page.tsx'), 'PipelinePage'),
  }),
  createRoute({
    ...under,
    path: '/pipelines/$pipeline/$run',
    component: lazyRouteComponent(() => import('./training/pipelines/pipeline-run-page.tsx'), 'PipelineRunPage'),
  }),
  createRoute({ ...under, path: '/what-if', component: lazyRouteComponent(() => import('./simulation/what-if-page.tsx'), 'WhatIfPage') }),
  createRoute({
    ...under,
    path: '/selection',
    component: lazyRouteComponent(() => import('./selection/selection-page.tsx'), 'SelectionPage'),
  }),
  createRoute({ ...under, path: '/costs', component: lazyRouteComponent(() => import('./costs/costs-page.tsx'), 'CostsPage') }),
  createRoute({
    ...under,
    path: '/monitoring',
    component: lazyRouteComponent(() => import('./monitoring/monitoring-page.tsx'), 'MonitoringPage'),
  }),
  createRoute({ ...under, path: '/cluster', component: lazyRouteComponent(() => import('./cluster/cluster-page.tsx'), 'ClusterPage') }),
  createRoute({ ...under, path: '/settings', component: lazyRouteComponent(() => import('./access/settings-page.tsx'), 'SettingsPage') }),
]);

export function makeRouter() {
  return createRouter({
    routeTree,
    defaultErrorComponent: Broken,
    defaultNotFoundComponent: Missing,
    defaultPreload: 'intent',
    scrollRestoration: false,
    // Plain strings: the router's default would parse values as JSON and quote numbers.
    parseSearch: (search) => Object.fromEntries(new URLSearchParams(search)),
    stringifySearch: (search) => {
      const text = new URLSearchParams(search as Record<string, string>).toString();
      return text === '' ? '' : `?${text}`;
    },
  });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
