/* What rows/_transactions.c gives to the module. */

#ifndef SOURCE_VITESS_TRANSACTIONS_H
#define SOURCE_VITESS_TRANSACTIONS_H

#include "_bytes.h"

extern PyMethodDef transaction_functions[];

#endif
