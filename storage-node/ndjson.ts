/** Content type of listings and of progress: a JSON object a line. */
export const NDJSON = 'application/x-ndjson';
