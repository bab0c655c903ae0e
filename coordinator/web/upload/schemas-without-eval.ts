import { config } from 'zod';

/** The page's policy forbids code that is made of text; to be imported before whatever makes schemas. */
config({ jitless: true });
