// The same documents by graphql-yoga and better-sqlite3 on the same file. It checks no token and computes no progress:
// `inProgress` and `nextAchievements` are rows of metrics. Usage: node server.js FILE; prints its address.
import { createServer } from "node:http";
import Database from "better-sqlite3";
import { createSchema, createYoga } from "graphql-yoga";

const db = new Database(process.argv[2], { readonly: true });
const one = db.prepare(
  "SELECT display_name, xp, streak_run, streak_longest, awards FROM people JOIN totals ON person_id = id WHERE id = ?");
const earned = db.prepare(
  "SELECT earned_at, key, definition ->> 'name' AS name, definition ->> 'rarity' AS rarity FROM awards JOIN achievements ON achievements.id = achievement_id \
   WHERE person_id = ? AND revoked_at IS NULL ORDER BY earned_at DESC, awards.id DESC LIMIT ?");
const metrics = db.prepare("SELECT value FROM metrics WHERE person_id = ? LIMIT ?");

const typeDefs = `
  type Level { number: Int! xpIntoLevel: Int! xpForNext: Int }
  type Streak { current: Int! longest: Int! }
  type User { displayName: String! xp: Int! level: Level! streak: Streak! }
  type Achievement { key: String! name: String! rarity: String! }
  type Award { earnedAt: String! achievement: Achievement! }
  type AwardConnection { nodes: [Award!]! }
  type Progress { current: Int! target: Int! percent: Float! achievement: Achievement! }
  type ProgressConnection { nodes: [Progress!]! }
  type Summary { totalEarned: Int! currentRank: String nextRank: String }
  type Query {
    me: User
    earned(first: Int): AwardConnection
    inProgress(first: Int): ProgressConnection
    nextAchievements: [Progress!]
    summary: Summary
  }`;

const achievement = { key: "metric", name: "Metric", rarity: "COMMON" };
const progress = (person, limit) =>
  metrics.all(person, limit).map(({ value }) => ({ current: value, target: 100, percent: value, achievement }));

const resolvers = {
  Query: {
    me: (_, __, { person }) => one.get(person),
    earned: (_, { first }, { person }) => ({ nodes: earned.all(person, first) }),
    inProgress: (_, { first }, { person }) => ({ nodes: progress(person, first) }),
    nextAchievements: (_, __, { person }) => progress(person, 5),
    summary: (_, __, { person }) => one.get(person),
  },
  User: {
    displayName: (user) => user.display_name,
    level: ({ xp }) => ({ number: 1 + Math.floor(xp / 100), xpIntoLevel: xp % 100, xpForNext: 100 }),
    streak: (user) => ({ current: user.streak_run, longest: user.streak_longest }),
  },
  Award: { earnedAt: (award) => award.earned_at, achievement: (award) => award },
  Summary: { totalEarned: (row) => row.awards, currentRank: () => "Novice", nextRank: () => "Expert" },
};

const yoga = createYoga({
  schema: createSchema({ typeDefs, resolvers }),
  context: ({ request }) => ({ person: Buffer.from(request.headers.get("x-person").replaceAll("-", ""), "hex") }),
  logging: false,
});
const server = createServer(yoga).listen(0, "127.0.0.1", () => console.log(`127.0.0.1:${server.address().port}`));
