/** The deploy page: model and objective on the left, Penstock's plan and its price on the right. */
import { usdFine } from '../kit/format/money.ts';
import './deploy-page.css';
import { Button } from '@mantine/core';
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactElement, useEffect, useState } from 'react';
import type { DeploymentPlanBody, EndpointBody } from '../../../src/api/index.ts';
import { post } from '../api/client.ts';
import { deploymentPlanQuery } from '../api/model-queries.ts';
import { endpointsQuery, overviewQuery } from '../api/queries.ts';
import { useHasPermission } from '../api/session.ts';
import { Copy } from '../kit/code.tsx';
import { Icon } from '../kit/icon.tsx';
import { Empty } from '../kit/page/empty.tsx';
import { LoadFailure, Skeletons } from '../kit/page/loaded.tsx';
import { PageLayout } from '../kit/page/page.tsx';
import { useSearchValues } from '../kit/page/search-state.ts';
import { nearestPossible } from './deploy/cost-curve.ts';
import { type DeployDraft, deployCommand, endpointOf, nameProblem, planBodyOf, proposedName } from './deploy/draft.ts';
import { LimitsCard, ModelCard, ObjectiveCard, TrafficCard } from './deploy/draft-cards.tsx';
import { afterClick, formatPayment } from './deploy/format-plan.ts';
import { FromCatalogue } from './deploy/from-catalogue.tsx';
import { type ModelsToDeploy, useModelsToDeploy } from './deploy/models-to-deploy.ts';
import { Alternatives, PlanCard } from './deploy/plan-card.tsx';
import { SelectionOffer } from './deploy/selection-offer.tsx';
import { type DeployedEndpointCard, StagesCard } from './deploy/stages-card.tsx';
import { useDraft, useSettled } from './deploy/use-draft.ts';

export function DeployPage(): ReactElement {
  const mayDeploy = useHasPermission('deploy');
  return (
    <PageLayout
      title="Deploy a model"
      facts={<span>Set a latency objective. Penstock picks the cheapest setting that meets it and adapts as traffic changes.</span>}
    >
      {mayDeploy ? (
        <Planned />
      ) : (
        <Empty
          title="Your role cannot deploy"
          actions={
            <Button variant="filled" renderRoot={(props: object) => <Link to="/endpoints" {...props} />}>
              View endpoints
            </Button>
          }
        >
          Deploying requires the role deployer, approver or admin. You can view existing endpoints.
        </Empty>
      )}
    </PageLayout>
  );
}

function Planned(): ReactElement {
  const [draft, change] = useDraft();
  const [{ catalogue }, write] = useSearchValues();
  const models = useModelsToDeploy(draft.model);
  const { isLoaded, error, names, proposed } = models;
  const isMissing = isLoaded && catalogue === undefined && !names.includes(draft.model);
  // There is no plan for a version that does not exist or is not approved, so the proposed one replaces it.
  useEffect(() => {
    if (isMissing && proposed !== null) change({ model: proposed });
  }, [isMissing, proposed, change]);
  if (error !== null) return <LoadFailure error={error} what="The models could not be loaded." />;
  if (!isLoaded) return <Skeletons heights={[110, 260, 150]} />;
  if (catalogue !== undefined) {
    const take = (model: string): void => {
      write({ catalogue: undefined, model }, { replace: true });
      change({ model });
    };
    return <FromCatalogue name={catalogue} onRegistered={take} />;
  }
  if (proposed === null) return <NothingApproved />;
  return <Planning draft={draft} change={change} models={models} />;
}

function NothingApproved(): ReactElement {
  return (
    <Empty
      title="No version is approved yet"
      actions={
        <>
          <Button variant="filled" renderRoot={(props: object) => <Link to="/models" {...props} />}>
            Open models
          </Button>
          <Button renderRoot={(props: object) => <Link to="/deploy" search={{ catalogue: 'digits-mlp' }} {...props} />}>
            Start with digits
          </Button>
        </>
      }
      command="penstock deploy model.onnx digits --approve --objective 'p95<=50ms'"
    >
      Only approved versions can be deployed. Upload and approve a model, or start with one from the catalogue.
    </Empty>
  );
}

interface PlanningProps {
  readonly draft: DeployDraft;
  readonly change: (change: Partial<DeployDraft>) => void;
  readonly models: ModelsToDeploy;
}

/** Debounce of the plan request, so that moving a slider does not send one per step. */
const debounceMs = 80;

function usePlan(draft: DeployDraft) {
  const body = useSettled(JSON.stringify(planBodyOf(draft)), debounceMs);
  const request = JSON.parse(body) as Record<string, unknown> & { objective: string };
  const isReady = request['model'] !== '';
  const plan = useQuery({ ...deploymentPlanQuery(request), enabled: isReady, placeholderData: keepPreviousData });
  // The curve does not depend on the slider, so a fixed latency in the request lets it be cached.
  const anyLatency = request.objective.replace(/<=.*/, '<=50ms');
  const curve = useQuery({
    ...deploymentPlanQuery({ ...request, objective: anyLatency, curve: true }),
    enabled: isReady,
    placeholderData: keepPreviousData,
  });
  const isOld = plan.isPlaceholderData || body !== JSON.stringify(planBodyOf(draft));
  return { plan, curve: curve.data?.curve ?? null, isOld };
}

function Planning({ draft, change, models }: PlanningProps): ReactElement {
  const [deployed, setDeployed] = useState<DeployedEndpointCard | null>(null);
  const { data: endpoints } = useQuery(endpointsQuery());
  const { data: overview } = useQuery(overviewQuery(86_400));
  const taken = (endpoints?.items ?? []).map((endpoint) => endpoint.name);
  const name = draft.name ?? proposedName(draft.model, taken);
  const nameError = deployed === null && endpoints !== undefined ? nameProblem(name, taken) : null;
  const group = draft.model.split('/')[0] ?? '';
  const recorded = overview?.endpoints.find(
    ({ models, requests }) => requests > 0 && models.some((model) => model.startsWith(`${group}/`)),
  );
  const { plan, curve, isOld } = usePlan(draft);
  return (
    <div className="grid deploy">
      <div className="c5 stack">
        <ModelCard draft={draft} change={change} name={deployed?.name ?? name} nameProblem={nameError} models={models} />
        <SelectionOffer draft={draft} names={models.names} />
        <ObjectiveCard draft={draft} change={change} curve={curve} plan={isOld ? undefined : plan.data} />
        <TrafficCard draft={draft} change={change} recorded={recorded} />
        <LimitsCard draft={draft} change={change} />
      </div>
      <div className="c7 stack">
        {plan.data === undefined && plan.error === null ? <Skeletons heights={[360, 220]} /> : null}
        {plan.error === null || plan.isPlaceholderData ? null : (
          <LoadFailure
            error={plan.error}
            what="The plan could not be computed."
            onRetry={() => void plan.refetch()}
            isBusy={plan.isFetching}
          />
        )}
        {plan.data === undefined ? null : (
          <>
            <PlanCard
              plan={plan.data}
              isOld={isOld}
              keepOne={draft.keepOne}
              nearestMs={curve === null ? null : nearestPossible(curve)}
              onNearest={(latencyMs) => change({ latencyMs })}
            />
            <Alternatives plan={plan.data} isOld={isOld} />
            {deployed === null ? (
              <Go draft={draft} name={name} plan={plan.data} isReady={!isOld && nameError === null} onDeployed={setDeployed} />
            ) : (
              <StagesCard
                deployed={deployed}
                onAgain={() => {
                  setDeployed(null);
                  change({ name: null });
                }}
              />
            )}
          </>
        )}
      </div>
    </div>
  );
}

interface GoProps {
  readonly draft: DeployDraft;
  readonly name: string;
  readonly plan: DeploymentPlanBody;
  readonly isReady: boolean;
  readonly onDeployed: (deployed: DeployedEndpointCard) => void;
}

/** The deploy button, labelled with the price. */
function Go({ draft, name, plan, isReady, onDeployed }: GoProps): ReactElement {
  const client = useQueryClient();
  const { chosen } = plan;
  const deploy = useMutation({
    mutationFn: async (mixture: NonNullable<typeof chosen>) => {
      const sinceMs = performance.now();
      const made = await post<EndpointBody>('/endpoints', endpointOf(draft, name, plan, mixture));
      return { name: made.name, instances: mixture.instances, sinceMs };
    },
    onSuccess: async (deployed) => {
      onDeployed(deployed);
      await client.invalidateQueries({ queryKey: ['endpoints'] });
    },
  });
  return (
    <section className="card bar-go" aria-label="Deploy">
      <div className="body row wrap">
        <p className="mut">
          {chosen === null
            ? 'An objective that cannot be met cannot be deployed from here.'
            : `${afterClick(chosen)} ${formatPayment(chosen, draft.keepOne)}`}
        </p>
        {chosen === null ? null : <Copy text={deployCommand(draft, name, plan, chosen)} label="Copy as CLI" />}
        <Button
          variant="filled"
          leftSection={<Icon name="play" />}
          disabled={!isReady || chosen === null}
          loading={deploy.isPending}
          onClick={() => chosen !== null && deploy.mutate(chosen)}
        >
          {chosen === null ? 'Deploy' : `Deploy for ${usdFine(chosen.usd_per_hour)} per hour`}
        </Button>
      </div>
      {deploy.error === null ? null : (
        <div className="body">
          <LoadFailure error={deploy.error} what={`${name} was not deployed.`} />
        </div>
      )}
    </section>
  );
}
