import { expect, test } from 'vitest';
import { MemoryIndex, REAL_FILES, readMovies } from './test-support/memory-index.ts';

/*
 * What people would type, and a title that they would want to see among the first three. Written by hand from the two
 * real files, whose titles have their own ways of writing: the one leaves out apostrophes, the other has broken accents.
 */
const LABELLED: Readonly<Record<string, readonly (readonly [query: string, title: string])[]>> = {
  exact: [
    ['psycho', 'Psycho'],
    ['the godfather', 'The Godfather'],
    ['alien', 'Alien'],
    ['300', '300'],
    ['titanic', 'Titanic'],
    ['it', 'It! The Terror from Beyond Space'],
    ['pulp fiction', 'Pulp Fiction'],
    ['M', 'M'],
    ['casino royale', 'Casino Royale'],
    ['The Dark Knight', 'The Dark Knight'],
    ['batman', 'Batman'],
    ["schindler's list", "Schindler's List"],
    ['schindlers list', "Schindler's List"],
    ['rosemary’s baby', 'Rosemarys Baby'],
    ['et', 'E.T. : The Extra-Terrestrial'],
  ],
  prefix: [
    ['casabl', 'Casablanca'],
    ['the shawsh', 'The Shawshank Redemption'],
    ['lord of the ri', 'The Lord of the Rings: The Two Towers'],
    ['goodfe', 'Goodfellas'],
    ['termin', 'The Terminator'],
    ['slumd', 'Slumdog Millionaire'],
    ['back to the f', 'Back to the Future'],
    ['incep', 'Inception'],
    ['2001 a sp', '2001 : A Space Odyssey'],
    ['north by n', 'North by Northwest'],
  ],
  typo: [
    ['Wizzard of Os', 'The Wizard of Oz'],
    ['Hitchcok', 'Psycho'],
    ['shawshenk redemtion', 'The Shawshank Redemption'],
    ['pulp ficton', 'Pulp Fiction'],
    ['teh godfather', 'The Godfather'],
    ['termnator', 'The Terminator'],
    ['casablnca', 'Casablanca'],
    ['jurasic park', 'Jurassic Park'],
    ['the matirx', 'The Matrix'],
    ['gladaitor', 'Gladiator'],
    ['inglorious basterds', 'Inglourious Basterds'],
    ['forest gump', 'Forrest Gump'],
    ['clokwork ornage', 'A Clockwork Orange'],
    ['nosferatoo', 'Nosferatu, eine Symphonie des Grauens'],
    ['lawrance of arabia', 'Lawrence of Arabia'],
  ],
  'swapped words': [
    ['oz wizard', 'The Wizard of Oz'],
    ['fiction pulp', 'Pulp Fiction'],
    ['arabia lawrence', 'Lawrence of Arabia'],
    ['knight dark the', 'The Dark Knight'],
    ['future back', 'Back to the Future'],
    ['private ryan saving', 'Saving Private Ryan'],
    ['kane citizen', 'Citizen Kane'],
  ],
  director: [
    ['hitchcock', 'Psycho'],
    ['kurosawa samurai', 'Shichinin no samurai'],
    ['nolan memento', 'Memento'],
    ['kubrick shining', 'The Shining'],
    ['peter jackson return king', 'The Lord of the Rings: The Return of the King'],
    ['fellini', 'La dolce vita'],
    ['tarantino dogs', 'Reservoir Dogs'],
    ['fritz lang', 'Metropolis'],
  ],
  accent: [
    ['léon', 'LÈon'],
    ['leon', 'LÈon'],
    ['amélie poulain', "Le Fabuleux destin d'AmÈlie Poulain"],
    ['AMELIE', "Le Fabuleux destin d'AmÈlie Poulain"],
    ['la môme', 'La MÙme'],
    ['noel joyeux', 'Joyeux NoÎl'],
    ['Alien3', 'Alien³'],
  ],
};
const SHARE_MIN = 0.95;
const PLACES = 3;

test('of 60 queries and more at least 95% have the wanted title among the first three', async () => {
  const imdb = readMovies(REAL_FILES.imdb);
  const index = new MemoryIndex(imdb, readMovies(REAL_FILES.vega, imdb.length));
  const missed: string[] = [];
  const queries = Object.entries(LABELLED).flatMap(([kind, pairs]) =>
    pairs.map((pair) => [kind, ...pair] as const),
  );
  for (const [kind, query, title] of queries) {
    const found = (await index.titles(query)).slice(0, PLACES);
    if (!found.includes(title)) missed.push(`${kind}: ${query} -> ${found.join(' | ')}, not ${title}`);
  }
  expect(queries.length).toBeGreaterThanOrEqual(60);
  const score = 1 - missed.length / queries.length;
  expect(score, missed.join('\n')).toBeGreaterThanOrEqual(SHARE_MIN);
});
