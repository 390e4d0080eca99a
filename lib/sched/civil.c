/* SPDX-License-Identifier: MIT */
/* The Gregorian calendar, counted from 1 March so that the leap day comes last. */
#include "sched/sched-priv.h"

/* Days of 400 years, and from 1 March of the year 0 to 1970. */
#define ERA_DAYS 146097
#define EPOCH_DAYS 719468

int64_t jl__floor_div(int64_t value, int64_t by)
{
	return value / by - (value % by < 0);
}

bool jl__civil_is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

unsigned int jl__civil_month_days(int64_t year, unsigned int month)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30,
					      31, 31, 30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && jl__civil_is_leap(year));
}

int64_t jl__civil_to_days(int64_t year, unsigned int month, unsigned int day)
{
	int64_t y = year - (month <= 2);
	int64_t era = jl__floor_div(y, 400);
	int64_t of_era = y - era * 400;
	int64_t from_march = (month + 9) % 12;
	/* March to July and August to December are 153 days each: 31, 30, 31, 30, 31. */
	int64_t of_year = (153 * from_march + 2) / 5 + day - 1;

	return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
	       EPOCH_DAYS;
}

void jl__civil_from_days(int64_t days, int64_t *ret_year, unsigned int *ret_month,
			 unsigned int *ret_day)
{
	int64_t from_start = days + EPOCH_DAYS;
	int64_t era = jl__floor_div(from_start, ERA_DAYS);
	int64_t day = from_start - era * ERA_DAYS;
	/* Take out the leap days: what is left are years of 365. */
	int64_t year = (day - day / 1460 + day / 36524 - day / (ERA_DAYS - 1)) / 365;
	int64_t of_year = day - (365 * year + year / 4 - year / 100);
	int64_t from_march = (5 * of_year + 2) / 153;

	*ret_day = (unsigned int)(of_year - (153 * from_march + 2) / 5 + 1);
	*ret_month = (unsigned int)(from_march < 10 ? from_march + 3 : from_march - 9);
	*ret_year = year + era * 400 + (*ret_month <= 2);
}

unsigned int jl__civil_weekday(int64_t days)
{
	int64_t rest = (days + 4) % 7; /* 1970 began on a Thursday */

	return (unsigned int)(rest < 0 ? rest + 7 : rest);
}
