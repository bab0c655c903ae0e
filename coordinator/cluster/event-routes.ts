import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import type { GateEnv } from '../auth/gate.ts';
import type { Principal } from '../auth/principal.ts';
import { parseFields } from '../parse-fields.ts';
import type { ClusterEvent, ClusterEvents } from './events.ts';
import { EVENT_HEARTBEAT_MS, EVENTS_REPLAYED_MAX, EVENTS_WAITING_MAX } from './limits.ts';
import { eventsSchema } from './schema.ts';

export interface EventRoutesOptions {
  readonly events: ClusterEvents;
  /** Asked before every event: whoever may not listen any more is not told. */
  readonly isRevoked: (principal: Principal) => boolean;
  /** Aborts when the server stops: a stream has no end of its own. */
  readonly stopping: AbortSignal;
}

/**
 * `GET /admin/events`: server-sent events. Each has its kind as `event` and the whole event as `data`. A client
 * that comes back with `Last-Event-ID` is told what it missed; what is not kept (progress) has no id.
 */
export function createEventRoutes({ events, isRevoked, stopping }: EventRoutesOptions): Hono<GateEnv> {
  const app = new Hono<GateEnv>();
  app.get('/admin/events', (context) => {
    const { lastEventId } = parseFields(eventsSchema, {
      lastEventId: context.req.header('last-event-id') ?? context.req.query('lastEventId'),
    });
    // Nobody would read it, nor say when it may end.
    if (context.req.method === 'HEAD')
      return context.body(null, 200, { 'content-type': 'text/event-stream' });
    // Nginx would otherwise hold events back.
    context.header('x-accel-buffering', 'no');
    return streamSSE(context, async (stream) => {
      const waiting: ClusterEvent[] = [];
      let wake: () => void = () => {};
      let isOver = false;
      const end = () => {
        isOver = true;
        wake();
      };
      const stopListening = events.listen((event) => {
        waiting.push(event);
        if (waiting.length > EVENTS_WAITING_MAX) end();
        else wake();
      });
      stream.onAbort(end);
      stopping.addEventListener('abort', end, { once: true });
      const heartbeat = setInterval(() => void stream.write(': alive\n\n'), EVENT_HEARTBEAT_MS);
      try {
        // Told at once, so that a client knows that it is connected.
        await stream.write(': connected\n\n');
        let latest = lastEventId ?? 0;
        const send = async (event: ClusterEvent) => {
          // What was replayed from the table may come as a notification too.
          if (event.id !== null && event.id <= latest) return;
          if (event.id !== null) latest = event.id;
          await stream.writeSSE({
            event: event.kind,
            data: JSON.stringify(event),
            ...(event.id !== null && { id: String(event.id) }),
          });
        };
        if (lastEventId !== undefined) {
          for (const event of await events.since(lastEventId, EVENTS_REPLAYED_MAX)) await send(event);
        }
        while (!isOver && !stopping.aborted) {
          const event = waiting.shift();
          if (isRevoked(context.get('principal'))) break;
          if (event !== undefined) await send(event);
          else {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          }
        }
      } finally {
        clearInterval(heartbeat);
        stopListening();
        stopping.removeEventListener('abort', end);
      }
    });
  });
  return app;
}
