import type { OnVideoEvent, VideoEvent } from '../videos/video-event.ts';
import { toVideoJson } from '../videos/video-json.ts';
import type { EventRecorder, WebhookEvent } from './event-recorder.ts';
import { EVENT_DESCRIPTION_LENGTH_MAX, EVENT_REASON_LENGTH_MAX } from './limits.ts';

/** Notes what becomes of videos for the endpoints that want to hear of it. */
export function videoEventListener(events: Pick<EventRecorder, 'record'>, basePath: string): OnVideoEvent {
  return (transaction, event) => events.record(transaction, describeVideoEvent(event, basePath));
}

/** The video as the API shows it, but for the end of a long description. */
export function describeVideoEvent(
  { type, video, reason, media }: VideoEvent,
  basePath: string,
): WebhookEvent {
  const json = toVideoJson(video, `${basePath}/videos/${video.id}`, media);
  return {
    type,
    ownerId: video.ownerId,
    data: {
      ...json,
      description: cut(json.description, EVENT_DESCRIPTION_LENGTH_MAX),
      reason: reason && cut(reason, EVENT_REASON_LENGTH_MAX),
    },
  };
}

function cut(text: string, lengthMax: number): string {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax - 1).toWellFormed()}…`;
}
